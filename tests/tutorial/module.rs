//! The tutorial's module, in Rust.

use rootlet::functions::prelude::*;

#[derive(Default)]
struct CiLikeProduction;

#[rootlet::module]
impl CiLikeProduction {
    /// Check that the container runs as a regular user.
    #[function]
    async fn whoami_check(&self) -> Result<String> {
        dag().lib().call("alpine_user").container().with_exec(["whoami"]).stdout().await
    }

    /// Check the user has a real home directory.
    #[function]
    async fn home_check(&self) -> Result<String> {
        dag().lib().call("alpine_user").container().with_exec(["pwd"]).stdout().await
    }

    /// Check the user has UID 1000.
    #[function]
    async fn uid_check(&self) -> Result<String> {
        dag().lib().call("alpine_user").container().with_exec(["id", "sam"]).stdout().await
    }

    /// Check the Debian user has UID 1000.
    #[function]
    async fn debian_uid_check(&self) -> Result<String> {
        dag().lib().call("debian_user").container().with_exec(["id", "sam"]).stdout().await
    }

    /// How often it ran: what it gave is given again.
    #[function(cache = "5m")]
    fn runs(&self, counted_in: String) -> Result<i64> {
        let runs = std::fs::read(&counted_in).map_or(0, |runs| runs.len()) + 1;
        std::fs::write(counted_in, ".".repeat(runs))?;
        Ok(runs as i64)
    }
}

fn main() -> Result<()> {
    serve::<CiLikeProduction>()
}
