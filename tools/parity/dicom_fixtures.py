#!/usr/bin/env python3
"""Writes tests/fixtures/dicom: small DICOM objects, and what pydicom shows of them.

objects.safetensors.gz  NAME.file (bytes of the object), NAME.stored (its numbers), NAME.view (grey of 0 to 255, float32)
cases.json              of each object: name, within (how far a pixel may be off, of 255), refused (words of the refusal,
                        else null), note (words of what is said about it, else null)

Needs pydicom, numpy, pillow, pylibjpeg with pylibjpeg-libjpeg and pylibjpeg-openjpeg, pyjpegls, safetensors. Run from the
repository's root:

    python3 tools/parity/dicom_fixtures.py

pydicom reads the file as it was written, decodes its pixels, joins planes, turns YBR_FULL into RGB and applies modality, VOI
table and window. What it leaves open is ours, as src/pipeline/data/film/dicom/view.rs says, and is done by the functions
that are named here:

    stored     HighBit, which pydicom passes over: numbers whose highest bit is another one are shifted down
    spread     grey is 0 to 255: a window's from its dark to its bright end, a table's from 0 to 2^bits - 1, else from the
               darkest to the brightest number that is no padding, whatever pydicom's numbers are
    looked_up  numbers with a fraction are rounded before a table (pydicom cuts and warns); places in a table do not wrap
    padding    is black, and belongs to no range
    view       MONOCHROME1 and a PresentationLUTShape of INVERSE are turned; colours are seen as their luma (BT.601)

Objects that pydicom shows and ours refuses by name: palettes, 1 and 32 bits a pixel, several frames, YBR_FULL_422 without
compression, JPEG-LS in colour, a HighBit or BitsStored that cannot be, slopes that are no numbers.

An object with `shown` is one that pydicom does not read or does not show as ours does: pydicom is asked for the data set
`shown` instead, and the place says why.
"""

import copy
import gzip
import io
import json
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import config, dcmread, uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_windowing, convert_color_space, pixel_array
from pydicom.pixels.processing import apply_voi
from safetensors.numpy import save

OUT = Path("tests/fixtures/dicom")
HEIGHT, WIDTH = 12, 18
LARGE = (32, 33)  # JPEG 2000's encoder takes none below 32
EXACT, LEVEL = 0.001, 1.0  # float32's rounding; one of 255
HALVED = 1.5  # colours that are stored for two pixels: pydicom's own two decoders are 1.3 apart
PLAIN, IMPLICIT = uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian
BIG, DEFLATED = uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian


@dataclass
class Object:
    file: bytes
    shown: Dataset | None = None
    within: float = EXACT
    refused: str | None = None
    note: str | None = None


# Making objects.


def mixed(least, most, shape=(HEIGHT, WIDTH)):
    """Numbers from `least` to `most`, both among them, none beside its neighbour."""
    count = int(np.prod(shape))
    place = np.arange(count) * 125 % count
    return (least + np.rint((most - least) * place / (count - 1))).astype(np.int64).reshape(shape)


def mixed_rgb(shape=(HEIGHT, WIDTH)):
    plane = mixed(0, 255, shape)
    return np.stack([plane, plane[::-1], plane[:, ::-1]], axis=-1)


def smooth(channels=1, shape=(HEIGHT, WIDTH)):
    """Grey of 0 to 255 that grows to the right and down, the channels unlike."""
    y, x = np.mgrid[: shape[0], : shape[1]] / (np.array(shape) - 1)[:, None, None]
    planes = [x * 0.6 + y * 0.4, 0.2 + 0.7 * x * y, 0.8 - 0.5 * x][:channels]
    return np.rint(np.stack(planes, axis=-1) * 255).astype(np.uint8)


def film(stored=12, allocated=16, signed=False, numbers=None, syntax=PLAIN, high=None, unused=0, vr=None, **elements):
    """A film of such words; `unused` is set in bits that are no number's. `elements` with None are left out."""
    most = (1 << (stored - signed)) - 1
    numbers = mixed(-most - 1 if signed else 0, most) if numbers is None else np.asarray(numbers)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID, ds.SOPInstanceUID = uid.DigitalXRayImageStorageForPresentation, "1.2.3"
    ds.PatientID = "patient 7"
    ds.Rows, ds.Columns = numbers.shape[:2]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.PixelRepresentation = allocated, stored, int(signed)
    ds.HighBit = stored - 1 if high is None else high
    shift = ds.HighBit + 1 - stored
    words = (numbers & ((1 << stored) - 1)) << shift | unused
    order = ">" if syntax == BIG else "<"
    data = words.astype(f"{order}u{allocated // 8}").tobytes()
    ds.add_new("PixelData", vr or ("OB" if allocated == 8 else "OW"), data + b"\0" * (len(data) % 2))
    return with_elements(ds, elements)


def with_elements(ds, elements):
    for name, value in elements.items():
        if value is None:
            del ds[name]
        else:
            setattr(ds, name, value)
    return ds


def colour(numbers, interpretation, planar=0, stored=8, allocated=8, **more):
    """A film of three channels; `numbers` has those of a pixel together."""
    height, width, _ = numbers.shape
    lying = np.moveaxis(numbers, -1, 0) if planar else numbers
    ds = film(stored, allocated, numbers=lying.reshape(height, -1), **more)
    ds.Columns, ds.SamplesPerPixel, ds.PlanarConfiguration = width, 3, planar
    ds.PhotometricInterpretation = interpretation
    return ds


def written(ds):
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def without_header(ds):
    bare, out = copy.deepcopy(ds), io.BytesIO()
    if hasattr(bare, "file_meta"):
        del bare.file_meta
    bare.save_as(out, implicit_vr=True, little_endian=True)
    return out.getvalue()


def of(ds, **more):
    return Object(written(ds), **more)


def of_unknown_kind(ds, **elements):
    """With elements whose value representation is UN."""
    # Else pydicom writes those that it knows as what they are.
    config.replace_un_with_known_vr = False
    for name, value in elements.items():
        ds.add_new(name, "UN", value)
    file = written(ds)
    config.replace_un_with_known_vr = True
    return Object(file)


def refused(ds, words):
    return of(ds, refused=words)


def table(entries, first=0, bits=16, vr="OW", of_first="US", packed=False, count=None):
    """A table's item; `packed` has an entry in each byte, `count` is said instead of the number of entries."""
    item = Dataset()
    count = len(entries) if count is None else count
    item.add_new("LUTDescriptor", of_first, [count % 65536, first, bits])
    data = np.asarray(entries).astype("u1" if packed else "<u2")
    if packed and len(data) % 2:
        data = np.append(data, np.uint8(0))
    item.add_new("LUTData", vr, data.tobytes() if vr == "OW" else data.tolist())
    return item


def squares(count, bits):
    """Entries that grow to the most of `bits`."""
    return np.arange(count) ** 2 * ((1 << bits) - 1) // (count - 1) ** 2


def stairs(count, bits):
    """Those of a large table, which hardly take room where they are deflated."""
    return squares(count, bits) >> (bits - 4) << (bits - 4)


def window(centre, width, function=None, **more):
    elements = {"WindowCenter": centre, "WindowWidth": width} | more
    return elements | ({} if function is None else {"VOILUTFunction": function})


def rescale(slope, intercept):
    return {"RescaleSlope": slope, "RescaleIntercept": intercept}


def encapsulated(ds, syntax, stream, fragments=1):
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate([stream], fragments_per_frame=fragments)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def compressed(ds, syntax, **options):
    ds.compress(syntax, generate_instance_uid=False, **options)
    return ds


def jpeg(picture, **options):
    out = io.BytesIO()
    Image.fromarray(np.squeeze(picture)).save(out, "JPEG", quality=95, **options)
    return out.getvalue()


def lossless_jpeg(words, precision, predictor=1):
    """Process 14 of T.81 on words[row, column, channel]: classes of differences are told by five bits each."""
    height, width, channels = words.shape
    words = words.astype(np.int64)
    bits = []
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                left, above = words[y, x - 1, c], words[y - 1, x, c]
                if y == 0:
                    guess = left if x else 1 << (precision - 1)
                elif x == 0:
                    guess = above
                else:
                    corner = words[y - 1, x - 1, c]
                    guess = [left, above, corner, left + above - corner][predictor - 1]
                difference = int(words[y, x, c] - guess + 32768) % 65536 - 32768
                kind = 16 if difference == -32768 else abs(difference).bit_length()
                bits.append(f"{kind:05b}")
                if 0 < kind < 16:
                    bits.append(f"{difference if difference > 0 else difference + (1 << kind) - 1:0{kind}b}")
    bits = "".join(bits)
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")

    def segment(marker, body):
        return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body

    ids = range(1, channels + 1)
    frame = struct.pack(">BHHB", precision, height, width, channels) + b"".join(bytes([i, 0x11, 0]) for i in ids)
    codes = bytes([0] + [17 * (length == 5) for length in range(1, 17)] + list(range(17)))
    begin = bytes([channels]) + b"".join(bytes([i, 0]) for i in ids) + bytes([predictor, 0, 0])
    return b"\xff\xd8" + segment(0xC3, frame) + segment(0xC4, codes) + segment(0xDA, begin) + scan + b"\xff\xd9"


def element(tag, vr, value):
    """An element as it lies in a file, low bytes first."""
    group, number = tag >> 16, tag & 0xFFFF
    long = vr in (b"OB", b"OW", b"UN", b"SQ")
    length = struct.pack("<HI" if long else "<H", *([0] if long else []), len(value))
    return struct.pack("<HH", group, number) + vr + length + value


# What pydicom shows.


def compresses(ds):
    return ds.file_meta.TransferSyntaxUID.is_encapsulated


def words(ds):
    """All bits of the words."""
    whole = copy.deepcopy(ds)
    whole.BitsStored, whole.PixelRepresentation = ds.BitsAllocated, 0
    return pixel_array(whole, raw=True)


def stored(ds):
    """The numbers as they are stored."""
    shift = ds.get("HighBit", ds.BitsStored - 1) + 1 - ds.BitsStored
    if shift == 0 or compresses(ds):
        return pixel_array(ds, raw=True)
    numbers = words(ds).astype(np.int64) >> shift & (1 << ds.BitsStored) - 1
    negative = ds.PixelRepresentation == 1 and numbers >> (ds.BitsStored - 1) == 1
    return (numbers - (negative << ds.BitsStored)).astype(np.int16 if ds.PixelRepresentation else np.uint16)


def padding(ds, numbers):
    if "PixelPaddingValue" not in ds:
        return np.zeros(numbers.shape, bool)
    ends = np.array([ds.PixelPaddingValue, ds.get("PixelPaddingRangeLimit", ds.PixelPaddingValue)])
    low, high = np.sort(ends.astype(np.int16 if ds.PixelRepresentation else np.uint16))
    held = (numbers >= low) & (numbers <= high)
    # A value that no number can have is a word.
    return held if compresses(ds) else held | (words(ds) == ds.PixelPaddingValue) & (low > numbers.max())


def looked_up(values, ds):
    """What the VOI table makes of the numbers, 0 to 255."""
    ds = copy.deepcopy(ds)
    item = ds.VOILUTSequence[0]
    count, first, bits = item.LUTDescriptor
    values = np.trunc(values + np.copysign(0.5, values)).astype(np.int64)
    # pydicom counts places in as many bits as an entry has.
    if (values - first).max() >= 1 << (8 if bits == 8 else 16):
        item.LUTDescriptor = [count, first, 16]
        values = values.clip(first, first + (count or 65536) - 1)
    return apply_voi(values, ds) / ((1 << bits) - 1) * 255


def windowed(values, ds):
    """What the window makes of the numbers: from what it makes of numbers far below it, 0, to those far above, 255."""
    low, high = apply_windowing(np.array([-1e12, 1e12]), ds)
    return (apply_windowing(values, ds) - low) / (high - low) * 255


def spread(values, ds, kept):
    if ds.get("VOILUTSequence"):
        return looked_up(values, ds)
    if None not in [ds.get("WindowCenter"), ds.get("WindowWidth")]:
        try:
            return windowed(values, ds)
        except ValueError:
            pass  # A window that pydicom refuses is none.
    low, high = (values[kept].min(), values[kept].max()) if kept.any() else (0, 0)
    return (values - low) / (high - low if high > low else 1) * 255


def view(ds):
    if ds.SamplesPerPixel == 3:
        return pixel_array(ds) @ np.array([0.299, 0.587, 0.114]) / ((1 << ds.BitsStored) - 1) * 255
    numbers = stored(ds)
    empty = padding(ds, numbers)
    grey = spread(apply_modality_lut(numbers.astype(np.int32), ds).astype(np.float64), ds, ~empty)
    if ds.PhotometricInterpretation == "MONOCHROME1" or ds.get("PresentationLUTShape") == "INVERSE":
        grey = 255 - grey
    return np.where(empty, 0, grey)


# The objects.


def bits():
    kinds = {f"{'signed' if s else 'unsigned'}_{n}_of_{a}": film(n, a, s) for n, a, s in [
        (8, 8, False), (8, 8, True), (6, 8, False), (1, 8, False), (8, 16, False), (10, 16, False), (10, 16, True), (12, 16, False),
        (12, 16, True), (14, 16, False), (14, 16, True), (16, 16, False), (16, 16, True)]}
    all_alike = np.full((HEIGHT, WIDTH), 1234)
    few = np.array([[0, 255, 3], [7, 100, 200], [1, 2, 254]])
    kinds |= {
        "white_is_0_8": film(8, 8, PhotometricInterpretation="MONOCHROME1"),
        "white_is_0_12": film(12, PhotometricInterpretation="MONOCHROME1"),
        "all_alike": film(numbers=all_alike),
        "unused_bits_unsigned": film(12, unused=0xA000),
        "unused_bits_signed": film(12, signed=True, unused=0x5000),
        "nine_pixels": film(8, 8, numbers=few),
        "one_pixel": film(8, 8, numbers=few[:1, 1:2]),
        "high_15_of_12": film(12, high=15),
        "high_15_of_12_signed": film(12, signed=True, high=15),
        "high_13_of_10_unused": film(10, high=13, unused=0xC00F),
        "high_7_of_6": film(6, 8, high=7),
        "high_15_of_12_windowed": film(12, signed=True, high=15, **rescale(0.5, 7), **window(100, 900)),
        "high_bit_absent": film(12, HighBit=None),
    }
    return {name: of(ds) for name, ds in kinds.items()} | {
        "high_bit_too_low": refused(film(12, HighBit=10), "a HighBit of 11 to 15"),
        "one_bit_a_pixel": refused(film(1, 8, BitsAllocated=1), "8 or 16 bits a pixel, found 1 of 1"),
        "32_bits_a_pixel": refused(film(20, 32), "8 or 16 bits a pixel, found 20 of 32"),
        "more_stored_than_allocated": refused(film(12, BitsStored=17), "8 or 16 bits a pixel, found 17 of 16"),
    }


def colours():
    rgb = mixed_rgb()
    deep = rgb * 257
    ybr = convert_color_space(rgb.astype(np.uint8), "RGB", "YBR_FULL").astype(np.int64)
    objects = {
        "rgb_pixels": of(colour(rgb, "RGB")),
        "rgb_planes": of(colour(rgb, "RGB", planar=1)),
        "rgb_pixels_16": of(colour(deep, "RGB", 0, 16, 16)),
        "rgb_planes_16": of(colour(deep, "RGB", 1, 16, 16)),
        "rgb_planes_16_big_endian": of(colour(deep, "RGB", 1, 16, 16, syntax=BIG)),
        "rgb_12_of_16": of(colour(rgb * 16 + 7, "RGB", 0, 12, 16)),
        "rgb_with_a_window": of(colour(rgb, "RGB", **window(10, 20))),
        # pydicom rounds its RGB.
        "ybr_full_pixels": of(colour(ybr, "YBR_FULL"), within=LEVEL),
        "ybr_full_planes": of(colour(ybr, "YBR_FULL", planar=1), within=LEVEL),
    }
    palette = film(8, 8, PhotometricInterpretation="PALETTE COLOR")
    for name in ["Red", "Green", "Blue"]:
        palette.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        palette.add_new(f"{name}PaletteColorLookupTableData", "OW", np.arange(256, dtype="<u2").tobytes())
    half = colour(ybr, "YBR_FULL_422")
    half.PixelData = half.PixelData[: 2 * HEIGHT * WIDTH]
    return objects | {
        "palette": refused(palette, "PALETTE COLOR of 1 channels"),
        "ybr_full_422_not_compressed": refused(half, "YBR_FULL_422 of 3 channels"),
        "rgb_of_one_channel": refused(film(8, 8, PhotometricInterpretation="RGB"), "RGB of 1 channels"),
    }


def modality():
    after = window(300, 500)
    entries = squares(200, 8)
    both = table(squares(4096, 12), bits=16)
    needs_words = film(8, 8, ModalityLUTSequence=[table(entries, bits=8, packed=True)])
    words_instead = film(8, 8, ModalityLUTSequence=[table(entries, bits=8)])
    alone = film(RescaleIntercept=-1024, **window(100, 3000))
    alone_shown = film(**rescale(1, -1024), **window(100, 3000))
    kinds = {
        "rescale": film(**rescale(2, -1024), **window(1000, 4000)),
        "rescale_fractional": film(14, **rescale("0.37", "-12.625"), **after),
        "rescale_negative_slope": film(**rescale(-1, 4095), **window(1000, 3000)),
        "rescale_negative_slope_no_window": film(**rescale("-0.5", 100)),
        "rescale_tiny_slope": film(16, **rescale("1.5e-5", "2"), **window("2.5", "0.75", "LINEAR_EXACT")),
        "rescale_signed": film(12, signed=True, **rescale("1.25", "10"), **after),
        "rescale_white_is_0": film(**rescale(2, -100), **after, PhotometricInterpretation="MONOCHROME1"),
        "rescale_of_0": film(**rescale(0, 17)),
        "table_8_bits": film(8, 8, ModalityLUTSequence=[table(entries, bits=8)]),
        "table_16_bits": film(10, ModalityLUTSequence=[table(squares(1024, 16))]),
        "table_begins_late": film(10, ModalityLUTSequence=[table(squares(300, 12), first=400)], **window(2000, 2500)),
        "table_begins_below_0": film(12, signed=True, ModalityLUTSequence=[table(squares(3000, 16), -1500, of_first="SS")]),
        "table_64_ki": film(16, ModalityLUTSequence=[table(stairs(65536, 16))], syntax=DEFLATED, **window(30000, 50000)),
        "table_and_rescale": film(ModalityLUTSequence=[both], **rescale(3, 5), **window(1000, 3000)),
        "table_as_us": film(10, ModalityLUTSequence=[table(squares(1024, 16), vr="US")]),
        "table_implicit": film(10, signed=True, ModalityLUTSequence=[table(squares(700, 16), -300, of_first="SS")], syntax=IMPLICIT),
        "table_big_endian": film(10, ModalityLUTSequence=[table(squares(1024, 16), vr="US")], syntax=BIG),
        "empty_sequence": film(ModalityLUTSequence=[], **rescale(2, 0), **window(3000, 4000)),
    }
    return {name: of(ds) for name, ds in kinds.items()} | {
        # pydicom does not read two entries of a word.
        "table_packed": of(needs_words, shown=words_instead),
        # pydicom leaves out what has only one of the two.
        "intercept_alone": of(alone, shown=alone_shown, note="RescaleIntercept and no RescaleSlope"),
        "slope_alone": of(film(RescaleSlope=2, **window(3000, 4000)), shown=film(**rescale(2, 0), **window(3000, 4000)),
                          note="RescaleSlope and no RescaleIntercept"),
        "table_short": refused(film(10, ModalityLUTSequence=[table(squares(1000, 16), count=1024)]),
                               "1024 entries, as its descriptor says, of its Modality LUT, found 1000"),
        "table_without_descriptor": refused(film(10, ModalityLUTSequence=[with_elements(table(squares(8, 8)), {"LUTDescriptor": None})]),
                                            "three numbers in the descriptor of its Modality LUT"),
        "slope_no_number": Object(written(film(**rescale("2.5", "0"))).replace(b"2.5 ", b"2,5 "), refused='a number as RescaleSlope, found "2,5"'),
    }


def voi():
    def shown(item, stored=12, **more):
        return film(stored, VOILUTSequence=[item], **more)

    several = [table(squares(4096, 16)), table(4095 - squares(4096, 12), bits=12)]
    loose = shown(table(squares(4096, 12), bits=12))
    loose["VOILUTSequence"].is_undefined_length = True
    loose.VOILUTSequence[0].is_undefined_length_sequence_item = True
    hounsfield = table(squares(2000, 12), -1000, 12, of_first="SS")
    wrong_sign = table(squares(2000, 12), 64536, 12)
    explained = table(squares(4096, 16))
    explained.LUTExplanation = "NORMAL"
    kinds = {
        "table_16_bits": shown(table(squares(4096, 16))),
        "table_14_bits": shown(table(squares(4096, 14), bits=14)),
        "table_12_bits": shown(table(squares(4096, 12), bits=12)),
        "table_10_bits": shown(table(squares(1024, 10), bits=10), 10),
        "table_8_bits": shown(table(squares(256, 8), bits=8), 8, allocated=8),
        "table_8_bits_of_4096": shown(table(squares(4096, 8), bits=8)),
        "table_falls": shown(table(squares(4096, 16)[::-1])),
        "table_64_ki": shown(table(stairs(65536, 16)), 16, syntax=DEFLATED),
        "table_begins_at_1000": shown(table(squares(512, 16), 1000)),
        "table_begins_below_0": shown(table(squares(3000, 12), -1000, 12, of_first="SS"), signed=True),
        "table_after_rescale": shown(hounsfield, **rescale(1, -1024)),
        "table_after_rescale_fractional": shown(hounsfield, **rescale("0.3", "-700.25")),
        "table_after_table": shown(table(squares(4096, 16)), ModalityLUTSequence=[table(squares(4096, 12))]),
        "table_and_window": shown(table(squares(4096, 16)), **window(10, 20)),
        "table_and_white_is_0": shown(table(squares(4096, 16)), PhotometricInterpretation="MONOCHROME1"),
        "table_of_one_entry": shown(table([900], 7, 10)),
        "two_tables": film(VOILUTSequence=several),
        "undefined_lengths": loose,
        "table_explained": shown(explained),
        "table_implicit": shown(table(squares(3000, 16), -1000, of_first="SS"), signed=True, syntax=IMPLICIT),
        "table_big_endian": shown(table(squares(4096, 16), vr="US"), syntax=BIG),
        "empty_sequence": film(VOILUTSequence=[], **window(2000, 3000)),
    }
    packed = table(stairs(65536, 8), bits=8, packed=True)
    odd = table(squares(255, 8), bits=8, packed=True)
    swapped = table(squares(256, 8), bits=8, packed=True)
    swapped.LUTData = np.frombuffer(swapped.LUTData, "u2").byteswap().tobytes()
    faint = shown(table(squares(4096, 12), bits=16))
    return {name: of(ds) for name, ds in kinds.items()} | {
        # pydicom does not read two entries of a word.
        "table_64_ki_packed": of(shown(packed, 16, syntax=DEFLATED), shown=shown(table(stairs(65536, 8), bits=8), 16)),
        "table_packed_odd": of(shown(odd, 8, allocated=8), shown=shown(table(squares(255, 8), bits=8), 8, allocated=8)),
        "table_packed_big_endian": of(shown(swapped, 8, allocated=8, syntax=BIG),
                                      shown=shown(table(squares(256, 8), bits=8), 8, allocated=8)),
        # pydicom reads a first number below 0 as one above, where its representation is said to be US.
        "table_begins_below_0_as_us": of(shown(wrong_sign, **rescale(1, -1024)), shown=shown(hounsfield, **rescale(1, -1024))),
        # A table of 16 bits whose brightest entry has 12 would be nearly black.
        "table_fainter_than_it_says": of(faint, shown=shown(table(squares(4096, 12), bits=12)), note="VOI LUT has entries of 12 bits"),
        "table_short": refused(shown(table(squares(4000, 16), count=4096)), "4096 entries, as its descriptor says, of its VOI LUT"),
        "table_64_ki_short": refused(shown(table(squares(4096, 16), count=0)), "65536 entries, as its descriptor says, of its VOI LUT"),
        "table_without_data": refused(shown(with_elements(table(squares(4096, 16)), {"LUTData": None}), **window(10, 20)),
                                      "4096 entries, as its descriptor says, of its VOI LUT, found 0"),
        "table_of_no_bits": refused(shown(table(squares(4096, 16), bits=0)), "1 to 16 bits in an entry of its VOI LUT"),
        "table_of_20_bits": refused(shown(table(squares(4096, 16), bits=20)), "1 to 16 bits in an entry of its VOI LUT"),
    }


def windows():
    binary = film()
    binary.add_new("WindowCenter", "FD", 1800.5)
    binary.add_new("WindowWidth", "FD", 900.25)
    single = film()
    single.add_new("WindowCenter", "FL", 1800.5)
    single.add_new("WindowWidth", "FL", 900.25)
    kinds = {
        "linear": film(**window(2048, 1000)),
        "linear_named": film(**window(2048, 1000, "LINEAR")),
        "linear_exact": film(**window(2048, 1000, "LINEAR_EXACT")),
        "sigmoid": film(**window(2048, 1000, "SIGMOID")),
        "function_in_small_letters": film(**window(2048, 1000, "sigmoid")),
        "several": film(**window([1000, 2000, 3000], [500, 4000, 10])),
        "several_sigmoid": film(**window(["1000.5", "2000"], ["500.5", "4000"], "SIGMOID", WindowCenterWidthExplanation=["A", "B"])),
        "linear_of_1": film(**window(2048, 1)),
        "linear_of_2": film(**window(2048, 2)),
        "linear_of_1_and_a_bit": film(**window(2048, "1.001")),
        "linear_exact_of_1": film(**window(2048, 1, "LINEAR_EXACT")),
        "linear_exact_of_a_thousandth": film(**window(2000, "0.001", "LINEAR_EXACT")),
        "sigmoid_of_a_hundredth": film(**window(2000, "0.01", "SIGMOID")),
        "below_0": film(12, signed=True, **window(-300, 700)),
        "fractions": film(**window("1234.56", "789.01")),
        "exponent": film(**window("+1.5E3", " 2e3 ")),
        "all_below": film(**window(-5000, 100)),
        "all_above": film(**window(60000, 100)),
        "wide": film(**window(2048, 1000000)),
        "after_rescale": film(**rescale("0.25", "-100.5"), **window(100, 600)),
        "exact_after_negative_slope": film(**rescale(-2, 500), **window(-2000, 3000, "LINEAR_EXACT")),
        "sigmoid_after_negative_slope": film(**rescale(-2, 500), **window(-2000, 3000, "SIGMOID")),
        "white_is_0": film(**window(2048, 1000), PhotometricInterpretation="MONOCHROME1"),
        "white_is_0_sigmoid": film(**window(2048, 1000, "SIGMOID"), PhotometricInterpretation="MONOCHROME1"),
        "16_bits": film(16, **window(32768, 65536)),
        "as_doubles": binary,
        "as_floats": single,
        "function_without_a_window": film(VOILUTFunction="SIGMOID"),
        "blank": film(WindowCenter="", WindowWidth=""),
    }
    # None of these is a window, for pydicom as well.
    broken = {
        "linear_of_a_half": (film(**window(2048, "0.5")), "LINEAR has no width of 0.5"),
        "linear_of_0": (film(**window(2048, 0)), "LINEAR has no width of 0"),
        "linear_below_0": (film(**window(2048, -40)), "LINEAR has no width of -40"),
        "linear_exact_of_0": (film(**window(2048, 0, "LINEAR_EXACT")), "LINEAR_EXACT has no width of 0"),
        "sigmoid_of_0": (film(**window(2048, 0, "SIGMOID")), "SIGMOID has no width of 0"),
        "unknown_function": (film(**window(2048, 1000, "CUBIC")), 'VOILUTFunction "CUBIC" is unknown'),
        "centre_alone": (film(WindowCenter=2048), "it has a centre and no width"),
        "width_alone": (film(WindowWidth=2048), "it has a width and no centre"),
    }
    return {name: of(ds) for name, ds in kinds.items()} | {name: of(ds, note=note) for name, (ds, note) in broken.items()}


def paddings():
    def padded(value, limit=None, vr="US", stored=12, signed=False, **more):
        ds = film(stored, signed=signed, **more)
        ds.add_new("PixelPaddingValue", vr, value)
        if limit is not None:
            ds.add_new("PixelPaddingRangeLimit", vr, limit)
        return ds

    beyond = padded(0xFFFF)
    words = np.frombuffer(beyond.PixelData, "<u2").copy()
    words[::7] = 0xFFFF
    beyond.PixelData = words.tobytes()
    kinds = {
        "black": padded(0),
        "white": padded(4095),
        "range": padded(0, 1000),
        "range_from_its_end": padded(4095, 3000),
        "signed": padded(-2048, vr="SS", signed=True),
        "signed_range": padded(-2048, -1500, vr="SS", signed=True),
        "signed_as_us": padded(63488, vr="US", signed=True),
        "unsigned_as_ss": padded(-1, vr="SS", stored=16),
        "beyond_the_stored_bits": beyond,
        "white_is_0": padded(4095, PhotometricInterpretation="MONOCHROME1"),
        "with_window": padded(4095, 3500, **window(2000, 3000)),
        "with_rescale": padded(0, 300, **rescale(-1, 4095)),
        "with_table": padded(0, VOILUTSequence=[table(squares(4096, 16)[::-1])]),
        "all_of_it": padded(77, numbers=np.full((HEIGHT, WIDTH), 77)),
        "implicit": padded(-2048, -1900, vr="SS", signed=True, syntax=IMPLICIT),
    }
    return {name: of(ds) for name, ds in kinds.items()}


def encodings():
    rgb = mixed_rgb()
    bytes_in_words = film(8, 8, syntax=BIG, vr="OW")
    bytes_in_words.PixelData = np.frombuffer(bytes_in_words.PixelData, "u2").byteswap().tobytes()
    grey = film(8, 8, numbers=smooth()[..., 0])
    stream = jpeg(smooth())

    def baseline(interpretation, **options):
        ds = colour(smooth(3), interpretation)
        return encapsulated(ds, uid.JPEGBaseline8Bit, jpeg(smooth(3), **options))

    def jpeg_2000(stored, allocated=16, signed=False, **more):
        most = (1 << (stored - signed)) - 1
        ds = film(stored, allocated, signed, mixed(-most - 1 if signed else 0, most, LARGE), **more)
        return compressed(ds, uid.JPEG2000Lossless)

    def lossless(stored, allocated, signed=False, predictor=1, **more):
        ds = film(stored, allocated, signed, **more)
        kind = uid.JPEGLosslessSV1 if predictor == 1 else uid.JPEGLossless
        return encapsulated(ds, kind, lossless_jpeg(words(ds)[..., None], stored, predictor))

    kinds = {
        "implicit": film(12, signed=True, syntax=IMPLICIT, **rescale(2, -3), **window(100, 900)),
        "big_endian": film(12, signed=True, syntax=BIG, **rescale(2, -3), **window(100, 900)),
        "big_endian_bytes": film(8, 8, syntax=BIG),
        "big_endian_bytes_in_words": bytes_in_words,
        "deflated": film(16, syntax=DEFLATED, **window(30000, 20000)),
        "rle_8": compressed(film(8, 8), uid.RLELossless),
        "rle_12_signed": compressed(film(12, signed=True), uid.RLELossless),
        "rle_16": compressed(film(16, **window(30000, 20000)), uid.RLELossless),
        "rle_rgb": compressed(colour(rgb, "RGB"), uid.RLELossless),
        "rle_rgb_planes": compressed(colour(rgb, "RGB", 1), uid.RLELossless),
        "rle_rgb_16": compressed(colour(rgb * 257, "RGB", 0, 16, 16), uid.RLELossless),
        "jpeg_lossless_8": lossless(8, 8),
        "jpeg_lossless_12": lossless(12, 16, **window(2000, 1000)),
        "jpeg_lossless_12_signed": lossless(12, 16, True),
        "jpeg_lossless_16": lossless(16, 16),
        "jpeg_lossless_16_signed": lossless(16, 16, True),
        "jpeg_lossless_from_above": lossless(12, 16, predictor=2),
        "jpeg_lossless_from_the_plane": lossless(14, 16, predictor=4),
        "jpeg_lossless_white_is_0": lossless(12, 16, PhotometricInterpretation="MONOCHROME1"),
        "jpeg_lossless_rgb": encapsulated(colour(rgb, "RGB"), uid.JPEGLosslessSV1, lossless_jpeg(rgb, 8)),
        "jpeg_lossless_in_pieces": encapsulated(film(12), uid.JPEGLosslessSV1, lossless_jpeg(mixed(0, 4095)[..., None], 12), 3),
        "jpeg_2000_8": jpeg_2000(8, 8),
        "jpeg_2000_8_signed": jpeg_2000(8, 8, True),
        "jpeg_2000_12": jpeg_2000(12, **window(2000, 1000)),
        "jpeg_2000_12_signed": jpeg_2000(12, signed=True),
        "jpeg_2000_16": jpeg_2000(16),
        "jpeg_2000_16_signed": jpeg_2000(16, signed=True),
        "jpeg_2000_rgb": compressed(colour(mixed_rgb(LARGE), "RGB"), uid.JPEG2000Lossless),
        "jpeg_2000_rct": compressed(colour(mixed_rgb(LARGE), "YBR_RCT"), uid.JPEG2000Lossless),
        "jpeg_ls_8": compressed(film(8, 8), uid.JPEGLSLossless),
        "jpeg_ls_12": compressed(film(12, **window(2000, 1000)), uid.JPEGLSLossless),
        "jpeg_ls_12_signed": compressed(film(12, signed=True), uid.JPEGLSLossless),
        "jpeg_ls_16": compressed(film(16), uid.JPEGLSLossless),
        "jpeg_ls_near": compressed(film(12), uid.JPEGLSNearLossless, jls_error=3),
    }
    lossy = {
        "jpeg_grey": encapsulated(grey, uid.JPEGBaseline8Bit, stream),
        "jpeg_grey_in_pieces": encapsulated(copy.deepcopy(grey), uid.JPEGBaseline8Bit, stream, 2),
        "jpeg_white_is_0": encapsulated(film(8, 8, PhotometricInterpretation="MONOCHROME1"), uid.JPEGBaseline8Bit, stream),
        "jpeg_ybr_full": baseline("YBR_FULL", subsampling=0),
        "jpeg_rgb": baseline("RGB", keep_rgb=True),
        "jpeg_said_to_be_rgb": baseline("RGB", subsampling=0),
        "jpeg_2000_lossy": compressed(film(12, numbers=smooth(1, LARGE)[..., 0].astype(int) * 16), uid.JPEG2000, j2k_cr=[4]),
    }
    return {name: of(ds) for name, ds in kinds.items()} | {name: of(ds, within=LEVEL) for name, ds in lossy.items()} | {
        "jpeg_ybr_full_422": of(baseline("YBR_FULL_422", subsampling=1), within=HALVED),
        "jpeg_ybr_full_420": of(baseline("YBR_FULL_422", subsampling=2), within=HALVED),
        "jpeg_ls_rgb": refused(compressed(colour(rgb, "RGB"), uid.JPEGLSLossless), "one channel in JPEG-LS, found 3"),
    }


def odd():
    plain = film(**window(2000, 3000))
    file = written(plain)
    holder = Dataset()
    holder.VOILUTSequence = [table(squares(512, 12), first=1000, bits=12)]
    sequence = without_header(holder)[8:]
    start = file.index(struct.pack("<HH", 8, 0x16))
    nine = film(8, 8, numbers=mixed(0, 255, (3, 3)))
    icon = film(8, 8, numbers=mixed(0, 255, (4, 4)))
    icon.PhotometricInterpretation = "MONOCHROME1"
    for name in ["SOPClassUID", "SOPInstanceUID", "PatientID"]:
        del icon[name]
    own = Dataset()
    own.add_new(0x00091010, "SQ", [copy.deepcopy(icon)])
    own["00091010"].is_undefined_length = True

    def binary(syntax=PLAIN, **kinds):
        ds = film(syntax=syntax, **rescale(2, -100), **window(2000, 3000))
        for name, (vr, value) in kinds.items():
            ds.add_new(name, vr, value)
        return ds

    def longer(count):
        ds = film()
        ds.PixelData += bytes(range(1, count + 1))
        return ds

    def grouped():
        """A film as enhanced objects are: its window and slope lie in groups, the first of which all frames share."""
        ds, item = film(NumberOfFrames=1), Dataset()
        shown = film(**rescale(2, -100), **window(3000, 2000))
        for group, names in [("PixelValueTransformation", rescale(2, -100)), ("FrameVOILUT", window(3000, 2000))]:
            setattr(item, f"{group}Sequence", [with_elements(Dataset(), names)])
        ds.SharedFunctionalGroupsSequence = [item]
        return of(ds, shown=shown)

    private = film()
    private.add_new(0x00090010, "LO", "OURS")
    private.add_new(0x00091010, "SQ", [own])
    private["00091010"].is_undefined_length = True
    objects = {
        # pydicom does not read on where a header is missing, unless it is told the syntax.
        "without_a_header": Object(without_header(plain), shown=plain),
        "group_lengths": Object(file[:start] + element(0x00080000, b"UL", struct.pack("<I", 7)) + file[start:]),
        "zeros_behind": Object(file + bytes(512)),
        "one_zero_behind": Object(file + b"\0"),
        "another_program_s_bytes_behind": Object(file + b"\xff\x17 signed by another program"),
        "padding_behind": Object(file + element(0xFFFCFFFC, b"OB", bytes(64))),
        "zero_behind_deflated": Object(written(film(syntax=DEFLATED)) + b"\0\0"),
        "nine_bytes_not_padded": Object(written(nine)[:-1].replace(b"OB\0\0\x0a\0\0\0", b"OB\0\0\x09\0\0\0")),
        "grouped": grouped(),
        "words_as_un": of_unknown_kind(film(), PixelData=film().PixelData),
        "bytes_as_un": of_unknown_kind(film(8, 8), PixelData=film(8, 8).PixelData),
        "window_as_un": of_unknown_kind(film(), WindowCenter=b"1800", WindowWidth=b"900 "),
        "rescale_as_un": of_unknown_kind(film(**window(2000, 3000)), RescaleSlope=b"1.5 ", RescaleIntercept=b"-100"),
        "sizes_as_un": of_unknown_kind(film(), Rows=struct.pack("<H", HEIGHT), BitsStored=struct.pack("<H", 12)),
        "table_as_un": of_unknown_kind(film(), VOILUTSequence=sequence),
        # pydicom takes texts for no numbers where they are not said to be.
        "rescale_as_lo": of(binary(RescaleSlope=("LO", "1.5"), RescaleIntercept=("LO", "-7.25")),
                            shown=film(**rescale("1.5", "-7.25"), **window(2000, 3000))),
    }
    kinds = {
        "two_bytes_more": longer(2),
        "many_bytes_more": longer(100),
        "one_byte_more": longer(1),
        "words_as_ob": film(vr="OB"),
        "bytes_as_ow": film(8, 8, vr="OW"),
        "frames_blank": film(NumberOfFrames=""),
        "frames_0": film(NumberOfFrames=0),
        "frames_1": film(NumberOfFrames=1),
        "aspect": film(PixelAspectRatio=[2, 1]),
        "spacing": film(PixelSpacing=["0.2", "0.1"], ImagerPixelSpacing=["0.2", "0.1"]),
        "inverse": film(PresentationLUTShape="INVERSE"),
        "identity": film(PresentationLUTShape="IDENTITY", **window(2000, 1000)),
        "inverse_and_white_is_0": film(PresentationLUTShape="INVERSE", PhotometricInterpretation="MONOCHROME1"),
        "icon": film(IconImageSequence=[icon]),
        "private_sequences": private,
        "overlay_in_an_unused_bit": film(12, unused=0x8000),
        "sizes_as_ul": binary(Rows=("UL", HEIGHT), Columns=("UL", WIDTH), BitsStored=("UL", 12)),
        "sizes_as_is": binary(Rows=("IS", HEIGHT), Columns=("IS", WIDTH), BitsAllocated=("IS", 16)),
        "rescale_as_doubles": binary(RescaleSlope=("FD", 1.5), RescaleIntercept=("FD", -7.25)),
        "rescale_as_floats": binary(RescaleSlope=("FL", 1.5), RescaleIntercept=("FL", -7.25)),
        "rescale_big_endian": binary(BIG, RescaleSlope=("FL", 1.5), RescaleIntercept=("FD", -7.25)),
        "rescale_as_ss": binary(RescaleSlope=("US", 3), RescaleIntercept=("SS", -1024)),
        "rescale_as_sl": binary(RescaleSlope=("UL", 3), RescaleIntercept=("SL", -1024)),
        "padding_as_sl": binary(PixelPaddingValue=("SL", 4095)),
    }
    not_finite = binary(RescaleSlope=("FD", float("nan")), RescaleIntercept=("FD", 0.0))
    several = film(numbers=mixed(0, 4095, (2 * HEIGHT, WIDTH)))
    several.Rows, several.NumberOfFrames = HEIGHT, 2
    short = film()
    short.PixelData = short.PixelData[:-2]
    floats = film()
    floats.add_new("FloatPixelData", "OF", np.zeros((HEIGHT, WIDTH), "<f4").tobytes())
    del floats.PixelData
    return objects | {name: of(ds) for name, ds in kinds.items()} | {
        "slope_not_finite": refused(not_finite, "a number as RescaleSlope, found NaN"),
        "several_frames": refused(several, "one frame, found 2"),
        "pixels_cut": refused(short, "216 numbers of pixels, found 215"),
        "pixels_as_floats": refused(floats, "without PixelData"),
        "no_sign": refused(film(PixelRepresentation=None), "without PixelRepresentation"),
        "no_interpretation": refused(film(PhotometricInterpretation=None), "without PhotometricInterpretation"),
    }


def main():
    warnings.simplefilter("ignore")
    OUT.mkdir(parents=True, exist_ok=True)
    tensors, cases = {}, []
    for kind in [bits, colours, modality, voi, windows, paddings, encodings, odd]:
        for name, made in kind().items():
            name = f"{kind.__name__}.{name}"
            cases.append(dict(name=name, within=made.within, refused=made.refused, note=made.note))
            tensors[f"{name}.file"] = np.frombuffer(made.file, np.uint8)
            if made.refused is None:
                ds = made.shown or dcmread(io.BytesIO(made.file))
                tensors[f"{name}.view"] = view(ds).astype(np.float32)
                if made.within == EXACT:
                    tensors[f"{name}.stored"] = stored(ds)
    objects = save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()})
    (OUT / "objects.safetensors.gz").write_bytes(gzip.compress(objects, mtime=0))
    lines = ",\n".join(json.dumps(case) for case in cases)
    (OUT / "cases.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
