//! The function table, in the size that the caller has room for.

use std::ffi::{c_int, c_void};
use std::ptr;

use crate::abi::{
    AdbcDriver, AdbcError, StatusCode, DRIVER_1_0_0_SIZE, STATUS_OK, VERSION_1_0_0, VERSION_1_1_0,
};
use crate::boundary::{null, run};
use crate::error::{get_detail, get_detail_count, Failure, Status};
use crate::stream::Via;
use crate::{connection, database, statement, stream};

/// Write the table of ADBC *version* to *driver*.
///
/// # Safety *driver* is null or has room for an `AdbcDriver` of that version; *error* is null or
/// initialised.
pub unsafe fn init(
    version: c_int,
    driver: *mut c_void,
    error: *mut AdbcError,
    via: Via,
) -> StatusCode {
    // SAFETY: promised by the caller.
    unsafe {
        run(error, || {
            let size = match version {
                VERSION_1_1_0 => size_of::<AdbcDriver>(),
                VERSION_1_0_0 => DRIVER_1_0_0_SIZE,
                _ => {
                    return Err(Failure::new(
                        Status::NotImplemented,
                        format_args!(
                            "could not load the driver as ADBC {version}: \
                             it implements {VERSION_1_1_0} and {VERSION_1_0_0}"
                        ),
                    ))
                }
            };
            if driver.is_null() {
                return Err(null("driver"));
            }
            let table = match via {
                Via::Manager => table(),
                Via::Nothing => direct_table(),
            };
            ptr::copy_nonoverlapping((&raw const table).cast::<u8>(), driver.cast::<u8>(), size);
            Ok(())
        })
    }
}

/// The table for `e6data_adbc` itself: without `AdbcErrorFromArrayStream`, the driver manager puts no
/// struct of its own around a stream, so that the stream may be released at any moment. The Python
/// side finds the error by `_native.StreamErrors`.
fn direct_table() -> AdbcDriver {
    AdbcDriver {
        error_from_array_stream: None,
        statement_execute_query: Some(statement::execute_query_directly),
        connection_read_partition: Some(connection::read_partition_directly),
        ..table()
    }
}

/// There is nothing to free: the library stays loaded, and what was opened has its own release.
unsafe extern "C" fn release(driver: *mut AdbcDriver, _error: *mut AdbcError) -> StatusCode {
    // SAFETY: the manager hands in the table that `init` wrote; the field is in every version.
    if let Some(driver) = unsafe { driver.as_mut() } {
        driver.release = None;
    }
    STATUS_OK
}

fn table() -> AdbcDriver {
    AdbcDriver {
        private_data: ptr::null_mut(),
        private_manager: ptr::null_mut(),
        release: Some(release),

        database_init: Some(database::init),
        database_new: Some(database::new),
        database_set_option: Some(database::set_option),
        database_release: Some(database::release),

        connection_commit: Some(connection::commit),
        connection_get_info: Some(connection::get_info),
        connection_get_objects: Some(connection::get_objects),
        connection_get_table_schema: Some(connection::get_table_schema),
        connection_get_table_types: Some(connection::get_table_types),
        connection_init: Some(connection::init),
        connection_new: Some(connection::new),
        connection_set_option: Some(connection::set_option),
        connection_read_partition: Some(connection::read_partition),
        connection_release: Some(connection::release),
        connection_rollback: Some(connection::rollback),

        statement_bind: Some(statement::bind),
        statement_bind_stream: Some(statement::bind_stream),
        statement_execute_query: Some(statement::execute_query),
        statement_execute_partitions: Some(statement::execute_partitions),
        statement_get_parameter_schema: Some(statement::get_parameter_schema),
        statement_new: Some(statement::new),
        statement_prepare: Some(statement::prepare_statement),
        statement_release: Some(statement::release),
        statement_set_option: Some(statement::set_option),
        statement_set_sql_query: Some(statement::set_sql_query),
        statement_set_substrait_plan: Some(statement::set_substrait_plan),

        error_get_detail_count: Some(get_detail_count),
        error_get_detail: Some(get_detail),
        error_from_array_stream: Some(stream::error_from_array_stream),

        database_get_option: Some(database::get_option),
        database_get_option_bytes: Some(database::get_option_bytes),
        database_get_option_double: Some(database::get_option_double),
        database_get_option_int: Some(database::get_option_int),
        database_set_option_bytes: Some(database::set_option_bytes),
        database_set_option_double: Some(database::set_option_double),
        database_set_option_int: Some(database::set_option_int),

        connection_cancel: Some(connection::cancel),
        connection_get_option: Some(connection::get_option),
        connection_get_option_bytes: Some(connection::get_option_bytes),
        connection_get_option_double: Some(connection::get_option_double),
        connection_get_option_int: Some(connection::get_option_int),
        connection_get_statistics: Some(connection::get_statistics),
        connection_get_statistic_names: Some(connection::get_statistic_names),
        connection_set_option_bytes: Some(connection::set_option_bytes),
        connection_set_option_double: Some(connection::set_option_double),
        connection_set_option_int: Some(connection::set_option_int),

        statement_cancel: Some(statement::cancel),
        statement_execute_schema: Some(statement::execute_schema),
        statement_get_option: Some(statement::get_option),
        statement_get_option_bytes: Some(statement::get_option_bytes),
        statement_get_option_double: Some(statement::get_option_double),
        statement_get_option_int: Some(statement::get_option_int),
        statement_set_option_bytes: Some(statement::set_option_bytes),
        statement_set_option_double: Some(statement::set_option_double),
        statement_set_option_int: Some(statement::set_option_int),
    }
}
