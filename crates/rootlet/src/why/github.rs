//! An explanation as workflow commands of GitHub's, which it shows at the top of a run: a title and a message, in which some
//! characters have a meaning.

use super::{Refusal, Why};
use rootlet_spec::printable;

impl Why {
    /// An annotation for each refusal, a line each: `::error title=EACCES /srv/cache::…`; `::notice` for what the programs were
    /// prepared for. `of`: what the title begins with, such as the name of a test.
    pub fn annotations(&self, of: Option<&str>) -> String {
        self.refusals.iter().map(|refusal| annotation(refusal, of)).collect()
    }
}

fn annotation(refusal: &Refusal, of: Option<&str>) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let level = if refusal.handled { "notice" } else { "error" };
    let of = of.map(|of| format!("{of}: ")).unwrap_or_default();
    let title = format!("{of}{} {}", refusal.errno, refusal.path.as_deref().unwrap_or_default());
    let (title, message) = (property(&printable(title.trim())), escape(refusal.to_string().trim_end()));
    format!("::{level} title={title}::{message}\n")
}
