//! Programs that must compile are in `pass/`, programs that must not in `fail/`, each beside what
//! the compiler says of it. `TRYBUILD=overwrite cargo test -p ui-tests` writes that anew.
