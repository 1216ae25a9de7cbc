//! `trailhound permissions fetch ARGS`: accounts, their organization, the role in them, and where to write.

use std::path::PathBuf;

/// Credentials are found where AWS's SDK looks for them, and so is another endpoint (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_IAM`, `AWS_ENDPOINT_URL_ORGANIZATIONS`).
#[derive(clap::Args)]
pub struct FetchArgs {
    /// The account; may be given several times. Without it that of the credentials, with --organization all of its accounts in use
    #[arg(long, value_name = "ID", value_parser = account)]
    pub account: Vec<String>,
    /// The organization, too: its policies, units and accounts. ID is its management account, or one that may ask in its place
    #[arg(long, value_name = "ID", value_parser = account)]
    pub organization: Option<String>,
    /// The role to take on in each account, by its name, with its path if it has one
    #[arg(long, value_name = "NAME", value_parser = role_name)]
    pub role: Option<String>,
    /// The external id that the role asks for
    #[arg(long, value_name = "ID", requires = "role")]
    pub external_id: Option<String>,
    /// A region of the partition that the accounts are in (cn-north-1, us-gov-west-1); by default that of the environment
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<String>,
    /// Ask IAM for its report of when each user and role last accessed which services, too. It takes some seconds for each
    #[arg(long)]
    pub last_accessed: bool,
    /// The folder to write ID.json and organization.json to; a file that is there is replaced
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// An account's id on the command line.
fn account(text: &str) -> Result<String, String> {
    let is_id = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    is_id.then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is not an account: write its twelve digits"))
}

/// The name of a role on the command line, as it stands in ARNs behind `role/`.
fn role_name(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && !text.starts_with('/') && !text.contains([':', ' ']);
    is_name.then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is not a role's name: write audit or team/audit"))
}

fn region(text: &str) -> Result<String, String> {
    let is_region = trailhound_ingest::aws::is_region(text);
    is_region.then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is none of AWS's regions: write us-gov-west-1"))
}
