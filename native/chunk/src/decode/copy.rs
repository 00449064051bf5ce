//! The loop that copies short strings from the wire, the hottest of all.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use arrow_array::OffsetSizeTrait;

/// Copied for each short value, whatever its length; the next value overwrites the rest.
pub(super) const STEP: usize = 64;

/// How far ahead of the present value input is asked for.
const AHEAD: usize = 2048;

/// Copy values while they are short, and neither the input's nor the capacity's end is near.
///
/// Writes one offset a value; tells how many values were copied, and how many bytes of *wire* they
/// took.
pub(super) fn copy_short<O: OffsetSizeTrait>(
    bytes: &mut Vec<u8>,
    offsets: &mut [O],
    wire: &[u8],
    flags: Option<&[u8]>,
) -> (usize, usize) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi2")]
        fn wide<O: OffsetSizeTrait>(
            bytes: &mut Vec<u8>,
            offsets: &mut [O],
            wire: &[u8],
            flags: Option<&[u8]>,
        ) -> (usize, usize) {
            match flags {
                Some(flags) => copy_short_body::<O, true>(bytes, offsets, wire, flags),
                None => copy_short_body::<O, false>(bytes, offsets, wire, &[]),
            }
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
            // SAFETY: the line above has checked that this processor has both features.
            return unsafe { wide(bytes, offsets, wire, flags) };
        }
    }
    match flags {
        Some(flags) => copy_short_body::<O, true>(bytes, offsets, wire, flags),
        None => copy_short_body::<O, false>(bytes, offsets, wire, &[]),
    }
}

/// The loops of `copy_short`; *flags* has a byte a value if `NULLS`.
///
/// A value is copied as `STEP` bytes whatever its length; the next one overwrites the rest. Where a
/// value begins hangs on the length before it. As long as all lengths are equal, that is foreseen;
/// from then on the loop is bound by the chain of loads, and all else is kept off it: the next
/// length is loaded first.
#[inline(always)]
#[allow(clippy::inline_always)] // else it is not compiled for the features of its caller
fn copy_short_body<O: OffsetSizeTrait, const NULLS: bool>(
    bytes: &mut Vec<u8>,
    offsets: &mut [O],
    wire: &[u8],
    flags: &[u8],
) -> (usize, usize) {
    let Some(first) = wire.first_chunk() else { return (0, 0) };
    let mut len = u32::from_be_bytes(*first) as usize;
    if len > STEP {
        return (0, 0);
    }
    let (mut rest, written) = (wire, bytes.len());
    let (mut copied, mut added) = (0, 0);
    let mut spare = bytes.spare_capacity_mut();
    let kept = |copied: usize, len: usize| {
        if NULLS {
            len & usize::from(flags[copied]).wrapping_sub(1)
        } else {
            len
        }
    };
    for slot in &mut *offsets {
        let Some(window) = rest.first_chunk::<{ 4 + STEP }>() else { break };
        let Some(target) = spare.first_chunk_mut::<STEP>() else { break };
        if window[..4] != *first {
            break;
        }
        prefetch(rest);
        fill(target, &window[4..]);
        let kept = kept(copied, len);
        spare = &mut spare[kept..];
        added += kept;
        *slot = O::usize_as(written + added);
        copied += 1;
        rest = &rest[4 + len..];
    }
    if let Some(next) = rest.first_chunk() {
        len = u32::from_be_bytes(*next) as usize;
    }
    for slot in &mut offsets[copied..] {
        let Some(window) = rest.first_chunk::<{ 8 + STEP }>() else { break };
        let Some(target) = spare.first_chunk_mut::<STEP>() else { break };
        if len > STEP {
            break;
        }
        let Some(next) = window[4 + len..].first_chunk() else { break };
        let next = u32::from_be_bytes(*next);
        prefetch(rest);
        fill(target, &window[4..4 + STEP]);
        let kept = kept(copied, len);
        spare = &mut spare[kept..];
        added += kept;
        *slot = O::usize_as(written + added);
        copied += 1;
        rest = &rest[4 + len..];
        len = next as usize;
    }
    // SAFETY: each round has initialised `STEP` spare bytes from `added` on and then raised `added`
    // by at most `STEP`, so the first `added` spare bytes are initialised.
    unsafe { bytes.set_len(written + added) };
    (copied, wire.len() - rest.len())
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

#[inline]
fn fill(target: &mut [MaybeUninit<u8>; STEP], source: &[u8]) {
    for (target, byte) in target.iter_mut().zip(source) {
        target.write(*byte);
    }
}
