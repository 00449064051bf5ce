//! The loops that decide the speed, each compiled twice on x86-64: as is, and with AVX2.
//!
//! They are plain Rust that vectorises; which of the two runs is decided at run time.
#![allow(unsafe_code)]

use arrow_array::OffsetSizeTrait;

/// Microseconds a day = 2^13 * `DAY_ODD`.
const DAY_ODD: f64 = 10_546_875.0;
/// Adding and subtracting this rounds an `f64` to an integer, whose low bits are then in the
/// mantissa.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// 2^52: the bits of an integer below 2^52, or-ed with this one's, are that integer plus 2^52.
const UNIT: u64 = 0x4330_0000_0000_0000;
/// 2^52 plus the epoch's place, 2^50, among shifted instants.
const SHIFTED_EPOCH: f64 = 4_503_599_627_370_496.0 + 1_125_899_906_842_624.0;
/// Set in full in the bits of infinities and NaNs only.
const EXPONENT: u64 = 0x7ff0_0000_0000_0000;

/// Unscaled decimals whose high half is in `-HIGH..HIGH` have at most 38 digits.
const HIGH: i64 = (10_i128.pow(38) >> 64) as i64;

/// How far ahead of the present value input is asked for.
const AHEAD: usize = 2048;

macro_rules! kernels {
    ($(
        $(#[$doc:meta])*
        $vis:vis fn $name:ident$(<$g:ident: $bound:ident>)?($($arg:ident: $ty:ty),*) $(-> $ret:ty)? $body:block
    )*) => {$(
        $(#[$doc])*
        $vis fn $name$(<$g: $bound>)?($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body$(<$g: $bound>)?($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,bmi2")]
                fn wide$(<$g: $bound>)?($($arg: $ty),*) $(-> $ret)? {
                    body($($arg),*)
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
                    // SAFETY: the line above has checked that this processor has both features.
                    return unsafe { wide($($arg),*) };
                }
            }
            body($($arg),*)
        }
    )*};
}

kernels! {
    /// All flags or-ed together.
    pub(super) fn any(flags: &[u8]) -> u8 {
        flags.iter().fold(0, |all, &flag| all | flag)
    }

    /// How many of the flags, each 0 or 1, are 1.
    pub(super) fn count(flags: &[u8]) -> usize {
        // Blocks of 255 cannot overflow a byte a lane.
        flags.chunks(32 * 255).map(|block| {
            let mut lanes = [0u8; 32];
            let (whole, rest) = block.as_chunks::<32>();
            for flags in whole {
                for (lane, flag) in lanes.iter_mut().zip(flags) {
                    *lane += flag;
                }
            }
            lanes.iter().chain(rest).map(|&n| usize::from(n)).sum::<usize>()
        }).sum()
    }

    /// Pack flags, each 0 or 1 and in number a multiple of 8, into bits.
    pub(super) fn pack(flags: &[u8], invert: bool, out: &mut Vec<u8>) {
        let mask = if invert { 0xff } else { 0 };
        // The product gathers the low bit of each byte, in order, in the top byte.
        out.extend(flags.as_chunks::<8>().0.iter().map(|eight| {
            (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8 ^ mask
        }));
    }

    /// Big-endian 64-bit integers.
    pub(super) fn i64s(wire: &[u8], out: &mut Vec<i64>) {
        out.extend(wire.as_chunks::<8>().0.iter().map(|bytes| i64::from_be_bytes(*bytes)));
    }

    /// Big-endian 32-bit integers.
    pub(super) fn i32s(wire: &[u8], out: &mut Vec<i32>) {
        out.extend(wire.as_chunks::<4>().0.iter().map(|bytes| i32::from_be_bytes(*bytes)));
    }

    /// Big-endian 64-bit floats, every bit kept.
    pub(super) fn f64s(wire: &[u8], out: &mut Vec<f64>) {
        let bits = wire.as_chunks::<8>().0.iter().map(|bytes| u64::from_be_bytes(*bytes));
        out.extend(bits.map(f64::from_bits));
    }

    /// Big-endian 64-bit floats narrowed to 32; tells whether a finite one became infinite.
    pub(super) fn f32s(wire: &[u8], out: &mut Vec<f32>) -> bool {
        let wide = wire.as_chunks::<8>().0;
        out.extend(wide.iter().map(|bytes| f64::from_bits(u64::from_be_bytes(*bytes)) as f32));
        let narrow = &out[out.len() - wide.len()..];
        let infinite = |(bytes, value): (&[u8; 8], &f32)| {
            let finite = u64::from_be_bytes(*bytes) & EXPONENT != EXPONENT;
            u8::from(finite) & u8::from(value.is_infinite())
        };
        wide.iter().zip(narrow).fold(0, |any, pair| any | infinite(pair)) == 1
    }

    /// Big-endian microseconds floored to days.
    ///
    /// `m` microseconds are in day floor((m >> 13) / 10,546,875). Both fit an `f64` exactly. The
    /// quotient is taken half a divisor's step high, so that its error (below 2^-24) cannot reach
    /// an integer, and is floored by rounding to nearest after subtracting one half.
    pub(super) fn days(wire: &[u8], out: &mut Vec<i32>) {
        let (step, bias) = (1.0 / DAY_ODD, 0.5 / DAY_ODD - 0.5);
        out.extend(wire.as_chunks::<8>().0.iter().map(|bytes| {
            let shifted = (u64::from_be_bytes(*bytes) ^ (1 << 63)) >> 13;
            let exact = f64::from_bits(shifted | UNIT) - SHIFTED_EPOCH;
            (exact * step + bias + ROUND).to_bits() as i32
        }));
    }

    /// Big-endian 16-byte integers, each after a 4-byte length, of which `odd` tells whether one is
    /// not 16; `wide` tells whether one integer may have more than 38 digits.
    pub(super) fn i128s(wire: &[u8], out: &mut Vec<i128>) -> Decimals {
        let (mut wide, mut odd) = (0, 0);
        out.extend(wire.as_chunks::<20>().0.iter().map(|bytes| {
            prefetch(bytes);
            let high = i64::from_be_bytes([
                bytes[4], bytes[5], bytes[6], bytes[7], bytes[8], bytes[9], bytes[10], bytes[11],
            ]);
            let low = u64::from_be_bytes([
                bytes[12], bytes[13], bytes[14], bytes[15], bytes[16], bytes[17], bytes[18],
                bytes[19],
            ]);
            odd |= u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) ^ 16;
            wide |= u8::from(high.wrapping_add(HIGH) as u64 >= 2 * HIGH as u64);
            i128::from(high) << 64 | i128::from(low)
        }));
        Decimals { wide: wide != 0, odd: odd != 0 }
    }

    /// Append the views of the rows between *offsets* of *bytes*, which go on for `VIEW` bytes after
    /// the last; tells whether no view needs the bytes.
    pub(super) fn views<O: OffsetSizeTrait>(offsets: &[O], bytes: &[u8], out: &mut Vec<u128>) -> bool {
        let (mut longest, first) = (0, out.len());
        // Not `extend`: it is too large to be compiled into, and for, this function.
        out.resize(first + offsets.len() - 1, 0);
        for (ends, view) in offsets.windows(2).zip(&mut out[first..]) {
            let (start, end) = (ends[0].as_usize(), ends[1].as_usize());
            let len = end.wrapping_sub(start) as u32;
            longest |= len + (0x7fff_ffff - INLINE);
            let window = bytes[start..].first_chunk().expect("bytes go on after the last row");
            *view = view_of(window, len, start);
        }
        longest >> 31 == 0
    }
}

/// Ask for the input that is due soon: the chain of lengths would wait for it, and the processor
/// does not look over the end of a page.
#[inline(always)]
#[allow(clippy::inline_always)] // one instruction
pub(super) fn prefetch(rest: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        let ahead = rest.as_ptr().wrapping_add(AHEAD).cast();
        // SAFETY: a prefetch reads nothing and does not fault, wherever it points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(ahead) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = rest;
}

/// The view of a value of *len* bytes that begins with *window* and is at *start* of its buffer.
#[inline(always)]
#[allow(clippy::inline_always)] // a few instructions of the hottest loops
pub(super) fn view_of(window: &[u8; VIEW], len: u32, start: usize) -> u128 {
    let low = u32::from_le_bytes([window[0], window[1], window[2], window[3]]);
    let high = u64::from_le_bytes([
        window[4], window[5], window[6], window[7], window[8], window[9], window[10], window[11],
    ]);
    let (low_mask, high_mask, far) = VIEW_MASKS[len.min(INLINE + 1) as usize];
    let low = u64::from(low & low_mask) << 32 | u64::from(len);
    let high = high & high_mask | u64::from(start as u32 & far) << 32;
    u128::from(high) << 64 | u128::from(low)
}

/// Longest value that is inside its view.
pub(super) const INLINE: u32 = 12;
/// Bytes of a row that are read for its view, at most.
pub(super) const VIEW: usize = INLINE as usize;

/// By length, up to the first that is not inline: which of the first 4 and of the next 8 bytes
/// belong to the view, and whether the offset does.
const VIEW_MASKS: [(u32, u64, u32); VIEW + 2] = {
    let mut masks = [(u32::MAX, 0, u32::MAX); VIEW + 2];
    let mut len = 0;
    while len <= VIEW {
        let bits = if len == 0 { 0 } else { u128::MAX >> (128 - 8 * len) };
        masks[len] = (bits as u32, (bits >> 32) as u64, 0);
        len += 1;
    }
    masks
};

/// What was met among 16-byte integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimals {
    pub(super) wide: bool,
    pub(super) odd: bool,
}

/// Days since the epoch of one instant in microseconds.
pub(super) fn day(micros: i64) -> i32 {
    micros.div_euclid(86_400_000_000) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectorised floor agrees with integer division next to every kind of boundary.
    #[test]
    fn days_are_floored() {
        const DAY: i64 = 86_400_000_000;
        let mut micros = vec![i64::MIN, i64::MIN + 1, i64::MAX, i64::MAX - 1, 0, 1, -1];
        for day in (-106_751_990..106_751_990).step_by(9_973).chain(-2000..2000) {
            let start = day * DAY;
            micros.extend([start - 8193, start - 8192, start - 1, start, start + 1, start + 8191]);
        }
        let wire: Vec<u8> = micros.iter().flat_map(|micros| micros.to_be_bytes()).collect();

        let mut got = Vec::new();
        days(&wire, &mut got);

        assert_eq!(got, micros.iter().map(|&micros| day(micros)).collect::<Vec<_>>());
    }

    /// Counting does not overflow, in blocks of any length.
    #[test]
    fn counts() {
        for len in [0, 1, 31, 32, 33, 8159, 8160, 8161, 40_000] {
            assert_eq!(count(&vec![1; len]), len);
        }
    }

    /// Narrowing reports finite values that overflow, and only those.
    #[test]
    fn narrowing() {
        let narrow = |value: f64| f32s(&value.to_be_bytes(), &mut Vec::new());

        assert!(narrow(1e300) && narrow(-3.5e38));
        assert!(!narrow(f64::INFINITY) && !narrow(f64::NAN) && !narrow(f64::from(f32::MAX)));
    }

    /// The quick digit check never passes what has 39 digits.
    #[test]
    fn digits() {
        let wide = |value: i128| {
            let mut wire = vec![0, 0, 0, 16];
            wire.extend(value.to_be_bytes());
            let mut out = Vec::new();
            let met = i128s(&wire, &mut out);
            assert_eq!((&out[..], met.odd), (&[value][..], false));
            met.wide
        };

        assert!(wide(10_i128.pow(38)) && wide(-(10_i128.pow(38))) && wide(i128::MIN));
        assert!(!wide(10_i128.pow(37)) && !wide(-1) && !wide(0));
    }
}
