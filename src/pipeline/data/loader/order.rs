//! The shuffled order of films in an epoch.

/// Shuffled order of `0..n` in an epoch, which depends on `seed` and `epoch` alone: Fisher-Yates,
/// fed by BLAKE3's output stream, so that it is the same on every machine and for ever.
pub(super) fn permutation(n: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut hasher = blake3::Hasher::new_derive_key("mtpret order of an epoch");
    hasher.update(&seed.to_le_bytes()).update(&epoch.to_le_bytes());
    let mut stream = hasher.finalize_xof();
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        let mut word = [0; 8];
        stream.fill(&mut word);
        // The high half of the product maps 64 random bits to 0..=last; its bias is below 2^-40.
        let pick = (u128::from(u64::from_le_bytes(word)) * (last as u128 + 1)) >> 64;
        order.swap(last, pick as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::permutation;

    #[test]
    fn an_order_holds_every_film_once_and_changes_with_seed_and_epoch() {
        let order = permutation(1000, 7, 3);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000));
        assert_ne!(order, permutation(1000, 8, 3));
        assert_ne!(order, permutation(1000, 7, 4));
        assert_eq!(order, permutation(1000, 7, 3));
    }

    #[test]
    fn an_order_is_the_same_on_every_machine() {
        assert_eq!(permutation(8, 1, 2), [1, 4, 3, 5, 7, 6, 0, 2]);
    }

    #[test]
    fn every_film_comes_first_about_equally_often() {
        let mut first = [0u32; 4];
        (0..4000).for_each(|epoch| first[permutation(4, 0, epoch)[0]] += 1);
        assert!(first.iter().all(|n| n.abs_diff(1000) < 150), "{first:?}");
    }
}
