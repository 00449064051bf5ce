//! A C stream whose arrays may be parts of longer ones, as record batches that any importer takes.
//!
//! A struct array may start behind its children's first value, or end before their last. As a record
//! batch pyarrow refuses the first, and takes all values of the second. Both move into the children.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use crate::abi::{ArrowArray, ArrowArrayStream, ArrowSchema, Movable};
use crate::python::capsules::Owned;

/// *stream*, with each array's offset in its children.
pub fn without_offsets(stream: Owned<ArrowArrayStream>) -> Owned<ArrowArrayStream> {
    Owned(ArrowArrayStream {
        get_schema: Some(get_schema),
        get_next: Some(get_next),
        get_last_error: Some(get_last_error),
        release: Some(release),
        private_data: Box::into_raw(Box::new(stream)).cast(),
    })
}

/// The stream inside; `None` once it was released.
///
/// # Safety
/// *outer* is a stream of [`without_offsets`] that nobody else uses at the moment.
unsafe fn inner<'a>(outer: *mut ArrowArrayStream) -> Option<&'a mut ArrowArrayStream> {
    // SAFETY: promised by the caller; `private_data` is the box of `without_offsets` or null.
    unsafe { (*outer).private_data.cast::<Owned<ArrowArrayStream>>().as_mut() }
        .map(|owned| &mut owned.0)
}

unsafe extern "C" fn get_schema(outer: *mut ArrowArrayStream, out: *mut ArrowSchema) -> c_int {
    // SAFETY: called by the owner of the stream, as the C stream interface has it.
    match unsafe { inner(outer) } {
        Some(stream) => match stream.get_schema {
            // SAFETY: the stream is not released, and *out* is the caller's.
            Some(call) => unsafe { call(stream, out) },
            None => libc::EINVAL,
        },
        None => libc::EINVAL,
    }
}

unsafe extern "C" fn get_next(outer: *mut ArrowArrayStream, out: *mut ArrowArray) -> c_int {
    // SAFETY: as in `get_schema`.
    let Some(stream) = (unsafe { inner(outer) }) else { return libc::EINVAL };
    let Some(call) = stream.get_next else { return libc::EINVAL };
    // SAFETY: the stream is not released, and *out* is the caller's.
    let code = unsafe { call(stream, out) };
    if code == 0 {
        // SAFETY: the call succeeded, so *out* is an array or released.
        unsafe { push_down(&mut *out) };
    }
    code
}

unsafe extern "C" fn get_last_error(outer: *mut ArrowArrayStream) -> *const c_char {
    // SAFETY: as in `get_schema`.
    match unsafe { inner(outer) } {
        Some(stream) => match stream.get_last_error {
            // SAFETY: the stream is not released.
            Some(call) => unsafe { call(stream) },
            None => ptr::null(),
        },
        None => ptr::null(),
    }
}

unsafe extern "C" fn release(outer: *mut ArrowArrayStream) {
    // SAFETY: called once by the owner; the box is that of `without_offsets`.
    unsafe {
        let owned = std::mem::replace(&mut (*outer).private_data, ptr::null_mut());
        if !owned.is_null() {
            drop(Box::from_raw(owned.cast::<Owned<ArrowArrayStream>>()));
        }
        (*outer).release = None;
    }
}

/// What a struct array of [`push_down`] owns.
struct Parts {
    children: Vec<*mut ArrowArray>,
    buffers: [*const c_void; 1],
}

/// Move offset and length of the struct array *array* into its children; one with null rows stays as it
/// is, for the importer to refuse.
///
/// # Safety
/// *array* is an initialised array of the C data interface, or released.
unsafe fn push_down(array: &mut ArrowArray) {
    let count = usize::try_from(array.n_children).unwrap_or(0);
    if array.is_released() || count == 0 {
        return;
    }
    // SAFETY: the array is not released, and has *count* children.
    let is_whole = array.offset == 0
        && (0..count).all(|index| unsafe { (**array.children.add(index)).length == array.length });
    // SAFETY: the array is not released.
    if is_whole || unsafe { has_null_rows(array) } {
        return;
    }
    let mut parent = Owned(std::mem::replace(array, ArrowArray::released()));
    let (offset, length) = (parent.0.offset, parent.0.length);
    let children = (0..count)
        .map(|index| {
            // SAFETY: the parent has *count* children. A child that is moved out is marked as
            // released, and the parent is released right after, as the interface asks.
            let child = unsafe { &mut **parent.0.children.add(index) };
            let mut moved = std::mem::replace(child, ArrowArray::released());
            moved.offset += offset;
            moved.length = length;
            if moved.null_count != 0 {
                moved.null_count = -1; // not counted: it was that of the whole child
            }
            Box::into_raw(Box::new(moved))
        })
        .collect();
    parent.0.release();
    let mut parts = Box::new(Parts { children, buffers: [ptr::null()] });
    *array = ArrowArray {
        length,
        null_count: 0,
        offset: 0,
        n_buffers: 1,
        n_children: parts.children.len() as i64,
        buffers: parts.buffers.as_mut_ptr(),
        children: parts.children.as_mut_ptr(),
        dictionary: ptr::null_mut(),
        release: Some(release_parts),
        private_data: Box::into_raw(parts).cast(),
    };
}

/// Whether a row of the struct array *array* is null as a whole.
///
/// # Safety
/// *array* is an array of the C data interface that is not released.
unsafe fn has_null_rows(array: &ArrowArray) -> bool {
    if array.null_count == 0 || array.n_buffers < 1 || array.buffers.is_null() {
        return false;
    }
    // SAFETY: a struct array has one buffer, null or with a bit for each row from 0 on.
    let bits = unsafe { *array.buffers }.cast::<u8>();
    let rows = usize::try_from(array.offset).unwrap_or(0)..;
    let mut rows = rows.take(usize::try_from(array.length).unwrap_or(0));
    // SAFETY: as above.
    !bits.is_null() && rows.any(|row| unsafe { *bits.add(row / 8) } & (1 << (row % 8)) == 0)
}

unsafe extern "C" fn release_parts(array: *mut ArrowArray) {
    // SAFETY: called once by the owner of an array of `push_down`; a child that the consumer moved
    // out is marked as released.
    unsafe {
        let parts = Box::from_raw((*array).private_data.cast::<Parts>());
        for child in parts.children {
            drop(Owned(*Box::from_raw(child)));
        }
        (*array).private_data = ptr::null_mut();
        (*array).release = None;
    }
}
