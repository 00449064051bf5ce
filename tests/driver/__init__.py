"""The native driver library, driven through `adbc_driver_manager` over fake Python objects."""
