//! Failures, and how they are written into an `AdbcError` of either size.

use std::ffi::{c_char, c_int, c_void, CString};
use std::ptr;

use crate::abi::{
    AdbcError, AdbcErrorDetail, StatusCode, ERROR_VENDOR_CODE_PRIVATE_DATA, STATUS_OK,
};

/// The statuses of ADBC other than OK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(dead_code)] // the whole table is here, whether or not native code itself uses a row
pub enum Status {
    Unknown = 1,
    NotImplemented = 2,
    NotFound = 3,
    AlreadyExists = 4,
    InvalidArgument = 5,
    InvalidState = 6,
    InvalidData = 7,
    Integrity = 8,
    Internal = 9,
    Io = 10,
    Cancelled = 11,
    Timeout = 12,
    Unauthenticated = 13,
    Unauthorized = 14,
}

/// Status, its word, the errno that stands for it in stream callbacks, and the SQLSTATE where
/// nothing more is known; the last is also in `e6data_adbc/errors.py`.
const STATUSES: [(Status, &str, c_int, &[u8; 5]); 14] = [
    (Status::Unknown, "UNKNOWN", libc::EIO, b"HY000"),
    (Status::NotImplemented, "NOT_IMPLEMENTED", libc::ENOTSUP, b"0A000"),
    (Status::NotFound, "NOT_FOUND", libc::ENOENT, b"HY000"),
    (Status::AlreadyExists, "ALREADY_EXISTS", libc::EEXIST, b"HY000"),
    (Status::InvalidArgument, "INVALID_ARGUMENT", libc::EINVAL, b"HY000"),
    (Status::InvalidState, "INVALID_STATE", libc::EINVAL, b"HY000"),
    (Status::InvalidData, "INVALID_DATA", libc::EIO, b"08P01"),
    (Status::Integrity, "INTEGRITY", libc::EIO, b"HY000"),
    (Status::Internal, "INTERNAL", libc::EIO, b"HY000"),
    (Status::Io, "IO", libc::EIO, b"08006"),
    (Status::Cancelled, "CANCELLED", libc::ECANCELED, b"57014"),
    (Status::Timeout, "TIMEOUT", libc::ETIMEDOUT, b"HYT00"),
    (Status::Unauthenticated, "UNAUTHENTICATED", libc::EACCES, b"28000"),
    (Status::Unauthorized, "UNAUTHORIZED", libc::EACCES, b"42501"),
];

impl Status {
    /// The status with this code; 0 and codes that ADBC does not have are `None`.
    pub fn from_code(code: i64) -> Option<Self> {
        let index = usize::try_from(code.checked_sub(1)?).ok()?;
        STATUSES.get(index).map(|row| row.0)
    }

    /// The word for it, for instance `INVALID_STATE`.
    pub fn name(self) -> &'static str {
        STATUSES[self as usize - 1].1
    }

    /// The errno that stream callbacks return for it.
    pub fn errno(self) -> c_int {
        STATUSES[self as usize - 1].2
    }

    /// The SQLSTATE of a failure that has no better one.
    pub fn sqlstate(self) -> [u8; 5] {
        *STATUSES[self as usize - 1].3
    }
}

/// What a call did.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Why a call did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: Status,
    pub message: String,
    /// Five ASCII characters.
    pub sqlstate: Option<[u8; 5]>,
    pub vendor_code: Option<i32>,
    /// Evidence for programs: key and value.
    pub details: Vec<(String, Vec<u8>)>,
}

/// Key of the detail that carries the query id.
pub const QUERY_ID: &str = "e6data.query_id";
/// Key of the detail that names the call which failed.
pub const RPC: &str = "e6data.rpc";
/// Key of the detail that tells whether trying again makes sense.
pub const RETRYABLE: &str = "e6data.retryable";
/// Key of the detail that carries the vendor code, where the struct has no room for both.
pub const VENDOR_CODE: &str = "e6data.vendor_code";

impl Failure {
    /// A failure whose text is `[e6data] <text> (<STATUS>)`.
    pub fn new(status: Status, text: impl std::fmt::Display) -> Self {
        Self::verbatim(status, format!("[e6data] {text} ({})", status.name()))
    }

    /// A failure whose text is complete already.
    pub fn verbatim(status: Status, message: String) -> Self {
        Self { status, message, sqlstate: None, vendor_code: None, details: Vec::new() }
    }

    /// Add the next step for the user, if there is one.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<&str>) -> Self {
        if let Some(hint) = hint {
            self.message.push_str("; ");
            self.message.push_str(hint);
        }
        self
    }

    /// Add a detail, unless there is one of that key.
    #[must_use]
    pub fn with_detail(mut self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        if !self.details.iter().any(|(known, _)| known == key) {
            self.details.push((key.to_owned(), value.into()));
        }
        self
    }

    /// Add what every failure about a query says, as far as it does not say it yet.
    #[must_use]
    pub fn about_query(mut self, query_id: &str, rpc: &str) -> Self {
        self.sqlstate = self.sqlstate.or(Some(self.status.sqlstate()));
        self.with_detail(QUERY_ID, query_id).with_detail(RPC, rpc).with_detail(RETRYABLE, "false")
    }

    /// The text for those who get nothing else: with the query's id and the SQLSTATE.
    pub fn whole_text(&self) -> CString {
        let mut text = self.message.clone();
        let id = self.details.iter().find(|(key, _)| key == QUERY_ID);
        if let Some(id) = id.map(|(_, id)| String::from_utf8_lossy(id)) {
            if !text.contains(&*id) {
                text.extend(["; query ", &quoted(&id)]);
            }
        }
        if let Some(state) = self.sqlstate {
            text.extend([". SQLSTATE: ", &String::from_utf8_lossy(&state)]);
        }
        c_string(&text)
    }

    /// `INVALID_STATE`: the process that opened the object is another one.
    pub fn forked(object: &str) -> Self {
        Self::new(
            Status::InvalidState,
            format_args!(
                "could not use this {object}: it was opened before a fork; \
                 reconnect in this process"
            ),
        )
    }
}

/// *text* in single quotes, with what would disturb a line of text escaped.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.escape_debug().to_string().replace("\\\"", "\""))
}

/// What `private_data` of an error with details points to.
struct Details(Vec<(CString, Vec<u8>)>);

fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

/// Write *failure* into the caller's error; a previous error in it is released first.
///
/// # Safety
/// *error* is null, or points to an initialised `AdbcError`; if its vendor code is
/// [`ERROR_VENDOR_CODE_PRIVATE_DATA`] it has the fields of ADBC 1.1.
pub unsafe fn fill(error: *mut AdbcError, failure: &Failure) -> StatusCode {
    let status = failure.status as StatusCode;
    if error.is_null() {
        return status;
    }
    // SAFETY: not null, and initialised by the caller; only fields of ADBC 1.0 are read.
    let (extended, previous) =
        unsafe { ((*error).vendor_code == ERROR_VENDOR_CODE_PRIVATE_DATA, (*error).release) };
    if let Some(release) = previous {
        // SAFETY: a release callback in an initialised error belongs to the error in it.
        unsafe { release(error) };
    }
    // SAFETY: as above; `write` touches the fields of ADBC 1.1 only if told that they exist.
    unsafe { write(error, failure, extended) };
    // SAFETY: as above.
    unsafe { (*error).release = Some(if extended { release_1_1 } else { release_1_0 }) };
    status
}

/// Write everything but `release`.
///
/// # Safety
/// *error* points to memory for an `AdbcError`, with the fields of ADBC 1.1 if *extended*.
pub unsafe fn write(error: *mut AdbcError, failure: &Failure, extended: bool) {
    let mut vendor_code = failure.vendor_code.unwrap_or(0);
    if vendor_code == ERROR_VENDOR_CODE_PRIVATE_DATA {
        vendor_code = 0; // it would tell the reader something else
    }
    if extended {
        let mut private_data = ptr::null_mut();
        if !failure.details.is_empty() || vendor_code == 0 {
            let mut details: Vec<_> =
                failure.details.iter().map(|(key, value)| (c_string(key), value.clone())).collect();
            if vendor_code != 0 {
                details.push((c_string(VENDOR_CODE), vendor_code.to_string().into_bytes()));
            }
            vendor_code = ERROR_VENDOR_CODE_PRIVATE_DATA;
            private_data = Box::into_raw(Box::new(Details(details))).cast::<c_void>();
        }
        // SAFETY: the caller says that the fields of ADBC 1.1 exist.
        unsafe { (*error).private_data = private_data };
    }
    // SAFETY: the fields of ADBC 1.0 always exist.
    unsafe {
        (*error).message = c_string(&failure.message).into_raw();
        (*error).vendor_code = vendor_code;
        (*error).sqlstate = failure.sqlstate.unwrap_or_default();
    }
}

unsafe extern "C" fn release_1_0(error: *mut AdbcError) {
    if error.is_null() {
        return;
    }
    // SAFETY: only `fill` sets this callback, and with it a message from `CString::into_raw`.
    unsafe {
        free_message((*error).message);
        (*error).message = ptr::null_mut();
        (*error).vendor_code = 0;
        (*error).sqlstate = [0; 5];
        (*error).release = None;
    }
}

unsafe extern "C" fn release_1_1(error: *mut AdbcError) {
    if error.is_null() {
        return;
    }
    // SAFETY: only `fill` sets this callback, and only in structs with the fields of ADBC 1.1.
    unsafe {
        free_details((*error).private_data);
        (*error).private_data = ptr::null_mut();
        release_1_0(error);
        // The struct keeps its size, so the next call may use all of it again.
        (*error).vendor_code = ERROR_VENDOR_CODE_PRIVATE_DATA;
    }
}

/// # Safety
/// *message* is null or from `CString::into_raw`, and is not used afterwards.
unsafe fn free_message(message: *mut c_char) {
    if !message.is_null() {
        // SAFETY: promised by the caller.
        drop(unsafe { CString::from_raw(message) });
    }
}

/// # Safety
/// *details* is null or from [`write`], and is not used afterwards.
unsafe fn free_details(details: *mut c_void) {
    if !details.is_null() {
        // SAFETY: promised by the caller.
        drop(unsafe { Box::from_raw(details.cast::<Details>()) });
    }
}

/// # Safety
/// *error* is null or points to an initialised `AdbcError`.
unsafe fn details_of<'a>(error: *const AdbcError) -> &'a [(CString, Vec<u8>)] {
    // SAFETY: promised by the caller; `private_data` is read only if the vendor code says it
    // exists.
    unsafe {
        if error.is_null()
            || (*error).vendor_code != ERROR_VENDOR_CODE_PRIVATE_DATA
            || (*error).private_data.is_null()
        {
            return &[];
        }
        &(*(*error).private_data.cast::<Details>()).0
    }
}

/// `AdbcErrorGetDetailCount` of this driver.
pub unsafe extern "C" fn get_detail_count(error: *const AdbcError) -> c_int {
    // SAFETY: the caller hands in an error that this driver filled.
    unsafe { details_of(error) }.len() as c_int
}

/// `AdbcErrorGetDetail` of this driver.
pub unsafe extern "C" fn get_detail(error: *const AdbcError, index: c_int) -> AdbcErrorDetail {
    // SAFETY: the caller hands in an error that this driver filled.
    let details = unsafe { details_of(error) };
    match usize::try_from(index).ok().and_then(|index| details.get(index)) {
        Some((key, value)) => {
            AdbcErrorDetail { key: key.as_ptr(), value: value.as_ptr(), value_length: value.len() }
        }
        None => AdbcErrorDetail { key: ptr::null(), value: ptr::null(), value_length: 0 },
    }
}

/// An error that a stream owns: its address and content hold until it is dropped.
///
/// Its `release` is null, because whoever looks at it must not release it (and one consumer tries).
pub struct OwnedError {
    error: Box<AdbcError>,
}

// SAFETY: the pointers inside belong to this value alone and nothing writes through them.
unsafe impl Send for OwnedError {}
// SAFETY: as above.
unsafe impl Sync for OwnedError {}

impl OwnedError {
    pub fn new(failure: &Failure) -> Self {
        let mut error = Box::new(AdbcError {
            message: ptr::null_mut(),
            vendor_code: ERROR_VENDOR_CODE_PRIVATE_DATA,
            sqlstate: [0; 5],
            release: None,
            private_data: ptr::null_mut(),
            private_driver: ptr::null_mut(),
        });
        // SAFETY: the box holds a whole ADBC 1.1 error.
        unsafe { write(&raw mut *error, failure, true) };
        Self { error }
    }

    pub fn as_ptr(&self) -> *const AdbcError {
        &raw const *self.error
    }
}

impl Drop for OwnedError {
    fn drop(&mut self) {
        // SAFETY: both come from `write`, and nobody can reach them any more.
        unsafe {
            free_message(self.error.message);
            free_details(self.error.private_data);
        }
    }
}

/// The code to return, after writing a failure into *error*.
///
/// # Safety
/// As for [`fill`].
pub unsafe fn answer(error: *mut AdbcError, result: Result<(), Failure>) -> StatusCode {
    match result {
        Ok(()) => STATUS_OK,
        // SAFETY: promised by the caller.
        Err(failure) => unsafe { fill(error, &failure) },
    }
}
