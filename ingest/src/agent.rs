//! What a user agent says of the client: a family without versions, and an operating system.
//!
//! All of it is what the caller chose to send: weak evidence, good for "new for this identity", never for proof.

/// Longest family name kept: the rest of a made-up agent is noise.
const FAMILY_BYTES_MAX: usize = 48;

/// The agent without one pair of square brackets, which S3 and some other services put around it.
pub fn bare(agent: &str) -> &str {
    agent.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(agent)
}

/// The client's family: `aws-cli`, `boto3`, `browser`, `console`, `terraform`, `aws-service` … For an unknown client
/// the product's name in lower case. Versions are left out, so that an upgrade is not a new client.
pub fn family(agent: &str) -> Option<String> {
    let agent = bare(agent.trim());
    if agent.is_empty() {
        return None;
    }
    let lower = agent.to_ascii_lowercase();
    let known = |name: &str| Some(name.to_string());
    // Tools that name the SDK they are built on first are told by their own word.
    for tool in ["terraform", "opentofu", "pulumi", "ansible", "crossplane", "cloudformation", "s3fs"] {
        if lower.contains(tool) && !lower.ends_with(".amazonaws.com") {
            return known(tool);
        }
    }
    if lower.starts_with("console.") && lower.ends_with(".amazonaws.com")
        || lower == "signin.amazonaws.com"
        || lower.starts_with("s3console/")
        || lower.contains("console") && (lower.contains("aws-internal") || lower.starts_with("aws "))
        || lower.starts_with("aws signin")
    {
        return known("console");
    }
    if lower.ends_with(".amazonaws.com") && !lower.contains(' ') || lower.starts_with("aws internal") {
        return known("aws-service");
    }
    if lower.starts_with("mozilla/") {
        return known("browser");
    }
    let name = product(&lower);
    if name.is_empty() { None } else { Some(name) }
}

/// The first product's name: the words before one that has a slash, begins with a digit or a bracket.
fn product(lower: &str) -> String {
    let mut name = String::new();
    for word in lower.split_whitespace() {
        if word.starts_with(|c: char| c.is_ascii_digit() || "([{".contains(c)) {
            break;
        }
        let (head, more) = word.split_once('/').map_or((word, true), |(head, _)| (head, false));
        let head: String = head.chars().filter(|c| c.is_alphanumeric() || "-_.!+".contains(*c)).collect();
        if !head.is_empty() {
            if !name.is_empty() {
                name.push(' ');
            }
            name.push_str(&head);
        }
        if !more || name.len() >= FAMILY_BYTES_MAX {
            break;
        }
    }
    while name.len() > FAMILY_BYTES_MAX {
        name.pop();
    }
    name
}

/// The operating system that the agent names. Distributions made for attacking systems are told apart, as GuardDuty's
/// PenTest findings do.
pub fn os(agent: &str) -> Option<&'static str> {
    let lower = agent.to_ascii_lowercase();
    let has = |word: &str| lower.contains(word);
    Some(if has("kali") && !has("alkali") {
        "kali"
    } else if has("parrot") {
        "parrot"
    } else if has("pentoo") {
        "pentoo"
    } else if has("iphone") || has("ipad") {
        "ios"
    } else if has("android") {
        "android"
    } else if has("windows") || has("win32") || has("os/win") {
        "windows"
    } else if has("darwin") || has("macintosh") || has("mac os") || has("os/macos") {
        "macos"
    } else if has("amzn") || has("exec-env/cloudshell") || has("exec-env/aws_lambda") || has("exec-env/aws_ecs") {
        "amazon-linux"
    } else if has("linux") {
        "linux"
    } else {
        return None;
    })
}

/// The agent without the words in which some programs name the call that they make, its service, or what they use of their
/// library: the same program on the same machine has the same one for all its calls.
pub fn client(agent: &str) -> String {
    let is_of_call = |word: &&str| {
        let after_md = word.strip_prefix("md/").unwrap_or(word);
        ["command/", "command#"].iter().any(|call| after_md.starts_with(call))
            || word.starts_with("api/")
            || word.starts_with("m/")
    };
    let mut client = String::with_capacity(agent.len());
    let mut words = agent.split(' ');
    client.push_str(words.next().unwrap_or(""));
    for word in words.filter(|word| !is_of_call(word)) {
        client.push(' ');
        client.push_str(word);
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_the_same_for_all_its_calls() {
        let cli = "aws-cli/2.15.0 md/awscrt#0.19.19 ua/2.0 os/linux#6.1 md/arch#x86_64 lang/python#3.11.8 cfg/retry-mode#standard";
        let rest = "md/prompt#off";
        for call in
            ["md/command#iam.list-users", "command/s3.ls", "m/E,b md/command#sts.get-caller-identity", "api/s3#1.2"]
        {
            assert_eq!(client(&format!("{cli} {call} {rest}")), format!("{cli} {rest}"));
        }
        for same in ["", " ", "m/1", "api/1 x", "a  b", "a lang/command#1", "a md/m/1", "ü commander"] {
            assert_eq!(client(same), same);
        }
        assert_eq!(client("a  m/1  command#2"), "a  ");
    }

    #[test]
    fn appendix_a_41_families_without_brackets_and_versions() {
        for (agent, family_expected, os_expected) in [
            ("[aws-cli/2.7.0 Python/3.9.11 Linux/5.10.0-kali Linux]", "aws-cli", Some("kali")),
            ("aws-cli/2.15.0 Python/3.11.6 Darwin/23.0 botocore/2.4.5", "aws-cli", Some("macos")),
            (
                "Boto3/1.26.0 Python/3.9 Linux/4.14.281-212.502.amzn2.x86_64 exec-env/AWS_Lambda_python3.9 Botocore/1.29",
                "boto3",
                Some("amazon-linux"),
            ),
            ("APN/1.0 HashiCorp/1.0 Terraform/1.5.7 aws-sdk-go-v2/1.21 os/linux", "terraform", Some("linux")),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36", "browser", Some("windows")),
            ("console.ec2.amazonaws.com", "console", None),
            ("S3Console/0.4, aws-internal/3 aws-sdk-java/1.11", "console", None),
            ("AWS CloudWatch Console", "console", None),
            ("rds.amazonaws.com", "aws-service", None),
            ("AWS Internal", "aws-service", None),
            ("S3 Browser/10.1.9 (https://s3browser.com)", "s3 browser", None),
            ("Some Tool 9.1.2 beta", "some tool", None),
            ("aws-sdk-go-v2/1.3 os/macos lang/go#1.19", "aws-sdk-go-v2", Some("macos")),
            ("Coral/Netty4", "coral", None),
        ] {
            assert_eq!(family(agent).as_deref(), Some(family_expected), "{agent}");
            assert_eq!(os(agent), os_expected, "{agent}");
        }
        assert_eq!(family(""), None);
        assert_eq!(family("[]"), None);
        assert!(family(&"ü".repeat(1000)).unwrap().len() <= FAMILY_BYTES_MAX);
    }
}
