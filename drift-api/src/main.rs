use std::process::ExitCode;

/// Reports are made on the threads that serve HTTP and freed on the writer's, which glibc's allocator does slowly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    drift_api::cli::main()
}
