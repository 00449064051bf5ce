//! The loop that copies short strings from the wire, the hottest of all.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use arrow_array::OffsetSizeTrait;

use super::kernels;

/// Copied for each short value, whatever its length; the next value overwrites the rest.
pub(super) const STEP: usize = 64;

/// What [`copy_short`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) values: usize,
    /// Bytes of the input that they took.
    pub(super) used: usize,
    /// Whether all of them are inside their views, if there are views.
    pub(super) is_inline: bool,
}

/// Copy values while they are short, and neither the input's nor the capacity's end is near.
///
/// Writes one offset a value, and one view if there are *views*, which are as many as *offsets* or
/// none.
pub(super) fn copy_short<O: OffsetSizeTrait>(
    bytes: &mut Vec<u8>,
    offsets: &mut [O],
    views: &mut [u128],
    wire: &[u8],
    flags: Option<&[u8]>,
) -> Copied {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi2")]
        fn wide<O: OffsetSizeTrait>(
            bytes: &mut Vec<u8>,
            offsets: &mut [O],
            views: &mut [u128],
            wire: &[u8],
            flags: Option<&[u8]>,
        ) -> Copied {
            choose(bytes, offsets, views, wire, flags)
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
            // SAFETY: the line above has checked that this processor has both features.
            return unsafe { wide(bytes, offsets, views, wire, flags) };
        }
    }
    choose(bytes, offsets, views, wire, flags)
}

#[inline(always)]
#[allow(clippy::inline_always)] // else it is not compiled for the features of its caller
fn choose<O: OffsetSizeTrait>(
    bytes: &mut Vec<u8>,
    offsets: &mut [O],
    views: &mut [u128],
    wire: &[u8],
    flags: Option<&[u8]>,
) -> Copied {
    match (flags, views.is_empty()) {
        (Some(flags), true) => body::<O, true, false>(bytes, offsets, views, wire, flags),
        (Some(flags), false) => body::<O, true, true>(bytes, offsets, views, wire, flags),
        (None, true) => body::<O, false, false>(bytes, offsets, views, wire, &[]),
        (None, false) => body::<O, false, true>(bytes, offsets, views, wire, &[]),
    }
}

/// The loops of `copy_short`; *flags* has a byte a value if `NULLS`.
///
/// A value is copied as `STEP` bytes whatever its length; the next one overwrites the rest. Where a
/// value begins hangs on the length before it. As long as all lengths are equal, that is foreseen;
/// from then on the loop is bound by the chain of loads, and all else is kept off it: the next
/// length is loaded first. A view costs little beside that chain.
#[inline(always)]
#[allow(clippy::inline_always)] // else it is not compiled for the features of its caller
fn body<O: OffsetSizeTrait, const NULLS: bool, const VIEWS: bool>(
    bytes: &mut Vec<u8>,
    offsets: &mut [O],
    views: &mut [u128],
    wire: &[u8],
    flags: &[u8],
) -> Copied {
    let none = Copied { values: 0, used: 0, is_inline: true };
    let Some(first) = wire.first_chunk() else { return none };
    let mut len = u32::from_be_bytes(*first) as usize;
    if len > STEP || (VIEWS && views.len() < offsets.len()) {
        return none;
    }
    let (mut rest, written) = (wire, bytes.len());
    let (mut copied, mut added, mut longest) = (0, 0, 0);
    let mut spare = bytes.spare_capacity_mut();
    let kept = |copied: usize, len: usize| {
        if NULLS {
            len & usize::from(flags[copied]).wrapping_sub(1)
        } else {
            len
        }
    };
    let mut view = |copied: usize, window: &[u8], kept: usize, start: usize| {
        if VIEWS {
            if let (Some(view), Some(window)) = (views.get_mut(copied), window.first_chunk()) {
                *view = kernels::view_of(window, kept as u32, start);
                longest = longest.max(kept);
            }
        }
    };
    for slot in &mut *offsets {
        let Some(window) = rest.first_chunk::<{ 4 + STEP }>() else { break };
        let Some(target) = spare.first_chunk_mut::<STEP>() else { break };
        if window[..4] != *first {
            break;
        }
        kernels::prefetch(rest);
        fill(target, &window[4..]);
        let kept = kept(copied, len);
        view(copied, &window[4..], kept, written + added);
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
        kernels::prefetch(rest);
        fill(target, &window[4..4 + STEP]);
        let kept = kept(copied, len);
        view(copied, &window[4..], kept, written + added);
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
    let is_inline = longest <= kernels::INLINE as usize;
    Copied { values: copied, used: wire.len() - rest.len(), is_inline }
}

#[inline]
fn fill(target: &mut [MaybeUninit<u8>; STEP], source: &[u8]) {
    for (target, byte) in target.iter_mut().zip(source) {
        target.write(*byte);
    }
}
