//! The C structs and constants of ADBC 1.1 and of the Arrow C interfaces, as their headers state
//! them.
//!
//! No struct here has a destructor: what a struct owns is given back through its `release` only.

use std::ffi::{c_char, c_int, c_void};

/// Result of every ABI function; [`crate::error::Status`] names the values.
pub type StatusCode = u8;

/// The call succeeded.
pub const STATUS_OK: StatusCode = 0;

/// ADBC revision 1.0.0, as `AdbcDriverInitFunc` gets it.
pub const VERSION_1_0_0: c_int = 1_000_000;
/// ADBC revision 1.1.0, as `AdbcDriverInitFunc` gets it.
pub const VERSION_1_1_0: c_int = 1_001_000;

/// The caller's `AdbcError` has the two fields of ADBC 1.1 if its vendor code is this.
pub const ERROR_VENDOR_CODE_PRIVATE_DATA: i32 = i32::MIN;

/// `struct ArrowSchema`.
#[repr(C)]
pub struct ArrowSchema {
    pub format: *const c_char,
    pub name: *const c_char,
    pub metadata: *const c_char,
    pub flags: i64,
    pub n_children: i64,
    pub children: *mut *mut ArrowSchema,
    pub dictionary: *mut ArrowSchema,
    pub release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    pub private_data: *mut c_void,
}

/// `struct ArrowArray`.
#[repr(C)]
pub struct ArrowArray {
    pub length: i64,
    pub null_count: i64,
    pub offset: i64,
    pub n_buffers: i64,
    pub n_children: i64,
    pub buffers: *mut *const c_void,
    pub children: *mut *mut ArrowArray,
    pub dictionary: *mut ArrowArray,
    pub release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    pub private_data: *mut c_void,
}

/// `struct ArrowArrayStream`.
#[repr(C)]
pub struct ArrowArrayStream {
    pub get_schema: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowSchema) -> c_int>,
    pub get_next: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowArray) -> c_int>,
    pub get_last_error: Option<unsafe extern "C" fn(*mut ArrowArrayStream) -> *const c_char>,
    pub release: Option<unsafe extern "C" fn(*mut ArrowArrayStream)>,
    pub private_data: *mut c_void,
}

/// A C struct of the Arrow interfaces that can be moved: whoever moves it out marks it released.
pub trait Movable: Sized {
    /// A released (empty) struct.
    fn released() -> Self;
    /// Whether nothing is left to release.
    fn is_released(&self) -> bool;
    /// Call `release`, if there is one left to call.
    fn release(&mut self);
}

macro_rules! movable {
    ($name:ident { $($field:ident: $empty:expr),* $(,)? }) => {
        impl Movable for $name {
            fn released() -> Self {
                Self { $($field: $empty,)* release: None, private_data: std::ptr::null_mut() }
            }

            fn is_released(&self) -> bool {
                self.release.is_none()
            }

            fn release(&mut self) {
                if let Some(release) = self.release {
                    // SAFETY: the struct is initialised and not released, so that its producer's
                    // callback may be called once; it marks the struct as released.
                    unsafe { release(self) };
                    self.release = None;
                }
            }
        }
    };
}

movable!(ArrowSchema {
    format: std::ptr::null(),
    name: std::ptr::null(),
    metadata: std::ptr::null(),
    flags: 0,
    n_children: 0,
    children: std::ptr::null_mut(),
    dictionary: std::ptr::null_mut(),
});
movable!(ArrowArray {
    length: 0,
    null_count: 0,
    offset: 0,
    n_buffers: 0,
    n_children: 0,
    buffers: std::ptr::null_mut(),
    children: std::ptr::null_mut(),
    dictionary: std::ptr::null_mut(),
});
movable!(ArrowArrayStream { get_schema: None, get_next: None, get_last_error: None });

/// `struct AdbcError`. The last two fields exist only in the structs of 1.1 callers.
#[repr(C)]
pub struct AdbcError {
    pub message: *mut c_char,
    pub vendor_code: i32,
    pub sqlstate: [u8; 5],
    pub release: Option<unsafe extern "C" fn(*mut AdbcError)>,
    pub private_data: *mut c_void,
    pub private_driver: *mut AdbcDriver,
}

/// `struct AdbcErrorDetail`.
#[repr(C)]
pub struct AdbcErrorDetail {
    pub key: *const c_char,
    pub value: *const u8,
    pub value_length: usize,
}

/// `struct AdbcDatabase`.
#[repr(C)]
pub struct AdbcDatabase {
    pub private_data: *mut c_void,
    pub private_driver: *mut AdbcDriver,
}

/// `struct AdbcConnection`.
#[repr(C)]
pub struct AdbcConnection {
    pub private_data: *mut c_void,
    pub private_driver: *mut AdbcDriver,
}

/// `struct AdbcStatement`.
#[repr(C)]
pub struct AdbcStatement {
    pub private_data: *mut c_void,
    pub private_driver: *mut AdbcDriver,
}

/// `struct AdbcPartitions`.
#[repr(C)]
pub struct AdbcPartitions {
    pub num_partitions: usize,
    pub partitions: *mut *const u8,
    pub partition_lengths: *const usize,
    pub private_data: *mut c_void,
    pub release: Option<unsafe extern "C" fn(*mut AdbcPartitions)>,
}

type Database = *mut AdbcDatabase;
type Connection = *mut AdbcConnection;
type Statement = *mut AdbcStatement;
type Error = *mut AdbcError;
type Text = *const c_char;
type Fn1<A> = Option<unsafe extern "C" fn(A, Error) -> StatusCode>;
type Fn2<A, B> = Option<unsafe extern "C" fn(A, B, Error) -> StatusCode>;
type Fn3<A, B, C> = Option<unsafe extern "C" fn(A, B, C, Error) -> StatusCode>;
type Fn4<A, B, C, D> = Option<unsafe extern "C" fn(A, B, C, D, Error) -> StatusCode>;
type Fn5<A, B, C, D, E> = Option<unsafe extern "C" fn(A, B, C, D, E, Error) -> StatusCode>;
type Fn6<A, B, C, D, E, F> = Option<unsafe extern "C" fn(A, B, C, D, E, F, Error) -> StatusCode>;

/// `ConnectionGetObjects`: depth, catalog, schema, table, table types, column, out.
pub type GetObjects = unsafe extern "C" fn(
    Connection,
    c_int,
    Text,
    Text,
    Text,
    *const Text,
    Text,
    *mut ArrowArrayStream,
    Error,
) -> StatusCode;

/// `struct AdbcDriver`, the function table. Everything from `error_get_detail_count` on is ADBC
/// 1.1.
#[repr(C)]
pub struct AdbcDriver {
    pub private_data: *mut c_void,
    pub private_manager: *mut c_void,
    pub release: Fn1<*mut AdbcDriver>,

    pub database_init: Fn1<Database>,
    pub database_new: Fn1<Database>,
    pub database_set_option: Fn3<Database, Text, Text>,
    pub database_release: Fn1<Database>,

    pub connection_commit: Fn1<Connection>,
    pub connection_get_info: Fn4<Connection, *const u32, usize, *mut ArrowArrayStream>,
    pub connection_get_objects: Option<GetObjects>,
    pub connection_get_table_schema: Fn5<Connection, Text, Text, Text, *mut ArrowSchema>,
    pub connection_get_table_types: Fn2<Connection, *mut ArrowArrayStream>,
    pub connection_init: Fn2<Connection, Database>,
    pub connection_new: Fn1<Connection>,
    pub connection_set_option: Fn3<Connection, Text, Text>,
    pub connection_read_partition: Fn4<Connection, *const u8, usize, *mut ArrowArrayStream>,
    pub connection_release: Fn1<Connection>,
    pub connection_rollback: Fn1<Connection>,

    pub statement_bind: Fn3<Statement, *mut ArrowArray, *mut ArrowSchema>,
    pub statement_bind_stream: Fn2<Statement, *mut ArrowArrayStream>,
    pub statement_execute_query: Fn3<Statement, *mut ArrowArrayStream, *mut i64>,
    pub statement_execute_partitions:
        Fn4<Statement, *mut ArrowSchema, *mut AdbcPartitions, *mut i64>,
    pub statement_get_parameter_schema: Fn2<Statement, *mut ArrowSchema>,
    pub statement_new: Fn2<Connection, Statement>,
    pub statement_prepare: Fn1<Statement>,
    pub statement_release: Fn1<Statement>,
    pub statement_set_option: Fn3<Statement, Text, Text>,
    pub statement_set_sql_query: Fn2<Statement, Text>,
    pub statement_set_substrait_plan: Fn3<Statement, *const u8, usize>,

    pub error_get_detail_count: Option<unsafe extern "C" fn(*const AdbcError) -> c_int>,
    pub error_get_detail: Option<unsafe extern "C" fn(*const AdbcError, c_int) -> AdbcErrorDetail>,
    pub error_from_array_stream:
        Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut StatusCode) -> *const AdbcError>,

    pub database_get_option: Fn4<Database, Text, *mut c_char, *mut usize>,
    pub database_get_option_bytes: Fn4<Database, Text, *mut u8, *mut usize>,
    pub database_get_option_double: Fn3<Database, Text, *mut f64>,
    pub database_get_option_int: Fn3<Database, Text, *mut i64>,
    pub database_set_option_bytes: Fn4<Database, Text, *const u8, usize>,
    pub database_set_option_double: Fn3<Database, Text, f64>,
    pub database_set_option_int: Fn3<Database, Text, i64>,

    pub connection_cancel: Fn1<Connection>,
    pub connection_get_option: Fn4<Connection, Text, *mut c_char, *mut usize>,
    pub connection_get_option_bytes: Fn4<Connection, Text, *mut u8, *mut usize>,
    pub connection_get_option_double: Fn3<Connection, Text, *mut f64>,
    pub connection_get_option_int: Fn3<Connection, Text, *mut i64>,
    pub connection_get_statistics: Fn6<Connection, Text, Text, Text, c_char, *mut ArrowArrayStream>,
    pub connection_get_statistic_names: Fn2<Connection, *mut ArrowArrayStream>,
    pub connection_set_option_bytes: Fn4<Connection, Text, *const u8, usize>,
    pub connection_set_option_double: Fn3<Connection, Text, f64>,
    pub connection_set_option_int: Fn3<Connection, Text, i64>,

    pub statement_cancel: Fn1<Statement>,
    pub statement_execute_schema: Fn2<Statement, *mut ArrowSchema>,
    pub statement_get_option: Fn4<Statement, Text, *mut c_char, *mut usize>,
    pub statement_get_option_bytes: Fn4<Statement, Text, *mut u8, *mut usize>,
    pub statement_get_option_double: Fn3<Statement, Text, *mut f64>,
    pub statement_get_option_int: Fn3<Statement, Text, *mut i64>,
    pub statement_set_option_bytes: Fn4<Statement, Text, *const u8, usize>,
    pub statement_set_option_double: Fn3<Statement, Text, f64>,
    pub statement_set_option_int: Fn3<Statement, Text, i64>,
}

/// How much of [`AdbcDriver`] a 1.0.0 caller has room for.
pub const DRIVER_1_0_0_SIZE: usize = std::mem::offset_of!(AdbcDriver, error_get_detail_count);
