//! Machine code of AMD's GPUs, as LLVM's disassembler or Mesa's own printer has it, and what of it a stage executes.

/// What the stages of a tile execute: the loop that the barrier is in.
#[derive(Debug, Default, PartialEq)]
pub struct Stage {
    /// All of it, what an operation issues beside another (`v_dual_…`) by itself.
    pub instructions: usize,
    /// Multiply-adds.
    pub fma: usize,
    /// Products of matrices.
    pub matrices: usize,
    /// Bytes that a lane reads from workgroup memory.
    pub bytes: usize,
}

/// A block's number and its instructions.
type Block = (usize, Vec<String>);

/// The blocks of a program. A line of Mesa's own has what an instruction writes before its name: `v1: %7:v[8] = v_fmac_f32 …`.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for line in text.lines() {
        let number =
            line.strip_prefix("BB").and_then(|rest| rest.trim_end_matches(':').parse().ok());
        if let Some(number) = number {
            blocks.push((number, Vec::new()));
            continue;
        }
        let line = line.split(';').next().unwrap_or_default().trim();
        let Some((_, block)) =
            blocks.last_mut().filter(|_| !line.is_empty() && !line.starts_with("/*"))
        else {
            continue;
        };
        block.extend(line.split("::").map(|part| match part.split_once(" = ") {
            Some((written, operation)) if written.contains(':') => operation.trim().to_owned(),
            _ => part.trim().to_owned(),
        }));
    }
    blocks
}

/// The blocks that an instruction may jump to.
fn targets(instruction: &str) -> impl Iterator<Item = usize> {
    let jumps = instruction.starts_with("s_branch") || instruction.starts_with("s_cbranch");
    let words = instruction.split("BB").skip(1).filter(move |_| jumps);
    words.filter_map(|word| word.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
}

fn is_fma(name: &str) -> bool {
    let name = name.strip_prefix("v_").unwrap_or_default();
    let name = name.strip_prefix("dual_").unwrap_or(name);
    ["fma_f32", "fmac_f32", "mac_f32", "mad_f32"].iter().any(|fma| name.starts_with(fma))
}

/// Bytes that a lane reads by an instruction.
fn bytes(name: &str) -> usize {
    let Some(read) = name.strip_prefix("ds_read").or_else(|| name.strip_prefix("ds_load")) else {
        return 0;
    };
    let width = ["b128", "b96", "b64", "b32"].iter().find(|width| read.contains(**width));
    let bits: usize = width.and_then(|width| width[1..].parse().ok()).unwrap_or(0);
    bits / 8
        * if read.contains('2') && (read.starts_with('2') || read.contains("2addr")) {
            2
        } else {
            1
        }
}

/// The loops of a program, as the places of their first and last blocks.
fn loops(blocks: &[Block]) -> Vec<(usize, usize)> {
    let place = |number: usize| blocks.iter().position(|block| block.0 == number);
    let mut loops = Vec::new();
    for (at, (_, instructions)) in blocks.iter().enumerate() {
        let back =
            instructions.iter().flat_map(|i| targets(i)).filter_map(place).filter(|to| *to <= at);
        loops.extend(back.map(|to| (to, at)));
    }
    loops
}

fn within(blocks: &[Block], (from, to): (usize, usize)) -> impl Iterator<Item = &String> {
    blocks[from..=to].iter().flat_map(|block| &block.1)
}

fn counted<'a>(instructions: impl Iterator<Item = &'a String>) -> Stage {
    let mut counted = Stage::default();
    for instruction in instructions {
        let name = instruction.split_whitespace().next().unwrap_or_default();
        counted.instructions += 1;
        counted.fma += usize::from(is_fma(name));
        counted.matrices += usize::from(name.starts_with("v_wmma"));
        counted.bytes += bytes(name);
    }
    counted
}

/// The loop of a program that a barrier is in.
///
/// # Errors
/// There is none or more than one, a loop within it, of whose trips the text says nothing, or an instruction that the
/// disassembler does not know.
pub fn stage(text: &str) -> Result<Stage, String> {
    let blocks = blocks(text);
    let loops = loops(&blocks);
    let is_stage = |l: &&(usize, usize)| within(&blocks, **l).any(|i| i.starts_with("s_barrier"));
    let [stage] = loops.iter().filter(is_stage).collect::<Vec<_>>()[..] else {
        return Err(format!("not one loop with a barrier among {loops:?}"));
    };
    if loops.iter().any(|l| l != stage && l.0 >= stage.0 && l.1 <= stage.1) {
        return Err(format!("a loop within that of the stages, {loops:?}"));
    }
    match within(&blocks, *stage).find(|i| i.contains("invalid")) {
        None => Ok(counted(within(&blocks, *stage))),
        Some(unknown) => {
            Err(format!("an instruction that the disassembler does not know: {unknown}"))
        }
    }
}

/// The innermost loop of a program that has products of matrices. What the disassembler does not know is counted among its
/// instructions: it is an instruction on numbers of 16 bits, of which there are few.
///
/// # Errors
/// There is none.
pub fn stage_of_matrices(text: &str) -> Result<Stage, String> {
    let blocks = blocks(text);
    let all = loops(&blocks).into_iter();
    let all = all.filter(|l| within(&blocks, *l).any(|i| i.starts_with("v_wmma")));
    let stage = all.min_by_key(|(from, to)| to - from);
    let stage = stage.ok_or("no loop has a product of matrices")?;
    Ok(counted(within(&blocks, stage)))
}

#[test]
fn both_ways_to_write_machine_code_are_read() {
    let llvm = "BB0:\n\ts_nop 0 ; bf800000\nBB2:\n\ts_barrier ; bf8a0000\n\tds_load_b128 v[0:3], v4 offset:16\n\
                \tds_read2_b32 v[0:1], v4\n\tds_load_2addr_stride64_b64 v[0:3], v4\n\
                \tv_dual_fmac_f32 v1, v2, v3 :: v_dual_fmac_f32 v4, v5, v6\n\tv_fma_f32 v1, v2, v3, v1\n\
                \tv_mul_f32 v1, v2, v3\n\ts_cbranch_scc1 BB2\nBB3:\n\tv_fmac_f32 v1, v2, v3\n\ts_endpgm\n";
    let wanted = Stage { instructions: 9, fma: 3, bytes: 16 + 8 + 16, matrices: 0 };
    assert_eq!(stage(llvm), Ok(wanted));
    let mesa = "BB1\n/* logical preds: BB0 */\n\ts_barrier_signal imm:-1\n\
                \t v4: %528:v[84-87] = ds_read_b128 %526:v[8] offset0:8192 storage:shared\n\
                \t v1: %571:v[36] = v_fmac_f32 %1436:v[84], %1447:v[94], %503:v[36]\n\ts_branch BB1\nBB2\n\ts_endpgm\n";
    assert_eq!(stage(mesa), Ok(Stage { instructions: 4, fma: 1, bytes: 16, matrices: 0 }));
    let nested = "BB1:\n\ts_barrier\nBB2:\n\tv_fmac_f32 v1, v2, v3\n\ts_cbranch_scc0 BB2\nBB3:\n\ts_branch BB1\n";
    assert!(stage(nested).unwrap_err().contains("within"), "{:?}", stage(nested));
    assert!(stage("BB1:\n\ts_endpgm\n").unwrap_err().contains("not one"));
    let matrices = "BB1:\n\ts_barrier\nBB2:\n\tv_wmma_f32_16x16x16_f16 v[0:7], v[8:15], v[16:23], v[0:7]\n\
                    \t(invalid instruction)\n\ts_cbranch_scc0 BB2\nBB3:\n\ts_branch BB1\n";
    let wanted = Stage { instructions: 3, matrices: 1, ..Stage::default() };
    assert_eq!(stage_of_matrices(matrices), Ok(wanted));
    assert!(stage_of_matrices(nested).is_err());
}
