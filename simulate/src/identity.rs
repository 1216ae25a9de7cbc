//! `userIdentity` in each of its forms, as JSON text. Made once for a session and used for all its events.

use crate::ids;

/// A role, as far as its sessions show it.
#[derive(Clone, Debug)]
pub struct Role {
    pub account: String,
    pub name: String,
    /// `/` or `/service-role/` and the like.
    pub path: String,
    /// `AROA…`.
    pub id: String,
}

impl Role {
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{}:role{}{}", self.account, self.path, self.name)
    }

    pub fn session_arn(&self, session: &str) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/{session}", self.account, self.name)
    }
}

/// What a role session carries beside its role.
#[derive(Clone, Debug, Default)]
pub struct Session<'a> {
    pub name: &'a str,
    /// `ASIA…`; empty when absent.
    pub key: &'a str,
    pub created: i64,
    pub mfa: bool,
    pub source_identity: Option<&'a str>,
    pub ec2_delivery: Option<&'a str>,
    /// `inScopeOf` as JSON text.
    pub in_scope_of: Option<&'a str>,
    /// Service through which the call came (a forward access session).
    pub invoked_by: Option<&'a str>,
    /// The OpenID provider, for sessions from web identity.
    pub web_provider: Option<&'a str>,
}

pub fn assumed_role(role: &Role, session: &Session) -> String {
    let Role { account, name, id, .. } = role;
    let mut text = format!(
        "{{\"type\":\"AssumedRole\",\"principalId\":\"{id}:{}\",\"arn\":\"{}\",\"accountId\":\"{account}\"",
        session.name,
        role.session_arn(session.name)
    );
    if !session.key.is_empty() {
        text.push_str(&format!(",\"accessKeyId\":\"{}\"", session.key));
    }
    let arn = role.arn();
    text.push_str(&format!(
        ",\"sessionContext\":{{\"sessionIssuer\":{{\"type\":\"Role\",\"principalId\":\"{id}\",\"arn\":\"{arn}\",\"accountId\":\"{account}\",\"userName\":\"{name}\"}}"
    ));
    if let Some(provider) = session.web_provider {
        text.push_str(&format!(
            ",\"webIdFederationData\":{{\"federatedProvider\":\"{provider}\",\"attributes\":{{}}}}"
        ));
    }
    text.push_str(&format!(
        ",\"attributes\":{{\"creationDate\":\"{}\",\"mfaAuthenticated\":\"{}\"}}",
        ids::time_text(session.created),
        session.mfa
    ));
    if let Some(source) = session.source_identity {
        text.push_str(&format!(",\"sourceIdentity\":\"{source}\""));
    }
    if let Some(delivery) = session.ec2_delivery {
        text.push_str(&format!(",\"ec2RoleDelivery\":\"{delivery}\""));
    }
    text.push('}');
    if let Some(scope) = session.in_scope_of {
        text.push_str(&format!(",\"inScopeOf\":{scope}"));
    }
    if let Some(service) = session.invoked_by {
        text.push_str(&format!(",\"invokedBy\":\"{service}\""));
    }
    text.push('}');
    text
}

/// A role session at sign-in: no key and no session context.
pub fn role_at_sign_in(role: &Role, session: &str) -> String {
    let (id, account) = (&role.id, &role.account);
    format!(
        "{{\"type\":\"AssumedRole\",\"principalId\":\"{id}:{session}\",\"arn\":\"{}\",\"accountId\":\"{account}\"}}",
        role.session_arn(session)
    )
}

/// An IAM user.
#[derive(Clone, Debug)]
pub struct User {
    pub account: String,
    pub name: String,
    /// `AIDA…`.
    pub id: String,
    /// `AKIA…`, the user's long-term key; empty when there is none.
    pub key: String,
}

impl User {
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{}:user/{}", self.account, self.name)
    }
}

/// A user by long-term key: no session context.
pub fn user(user: &User, key: &str) -> String {
    let User { account, name, id, .. } = user;
    format!(
        "{{\"type\":\"IAMUser\",\"principalId\":\"{id}\",\"arn\":\"{}\",\"accountId\":\"{account}\",\"accessKeyId\":\"{key}\",\"userName\":\"{name}\"}}",
        user.arn()
    )
}

/// A user by temporary key, from the console or GetSessionToken.
pub fn user_session(user: &User, key: &str, created: i64, mfa: bool) -> String {
    let mut text = self::user(user, key);
    text.pop();
    text.push_str(&format!(
        ",\"sessionContext\":{{\"attributes\":{{\"creationDate\":\"{}\",\"mfaAuthenticated\":\"{mfa}\"}}}}}}",
        ids::time_text(created)
    ));
    text
}

/// A user at sign-in; `known` is false where the record hides who it was.
pub fn user_at_sign_in(user: &User, known: bool) -> String {
    let User { account, name, id, .. } = user;
    if known {
        format!(
            "{{\"type\":\"IAMUser\",\"principalId\":\"{id}\",\"accountId\":\"{account}\",\"accessKeyId\":\"\",\"userName\":\"{name}\"}}"
        )
    } else {
        format!(
            "{{\"type\":\"IAMUser\",\"accountId\":\"{account}\",\"accessKeyId\":\"\",\"userName\":\"HIDDEN_DUE_TO_SECURITY_REASONS\"}}"
        )
    }
}

/// A user whose sign-in succeeded: the record has the ARN.
pub fn user_signed_in(user: &User) -> String {
    let User { account, name, id, .. } = user;
    format!(
        "{{\"type\":\"IAMUser\",\"principalId\":\"{id}\",\"arn\":\"{}\",\"accountId\":\"{account}\",\"userName\":\"{name}\"}}",
        user.arn()
    )
}

/// Root: with an empty key at sign-in, with a temporary key (and when the session began, and whether with MFA) in the console.
pub fn root(account: &str, key: &str, session: Option<(i64, bool)>) -> String {
    let mut text = format!(
        "{{\"type\":\"Root\",\"principalId\":\"{account}\",\"arn\":\"arn:aws:iam::{account}:root\",\"accountId\":\"{account}\",\"accessKeyId\":\"{key}\""
    );
    if let Some((created, mfa)) = session {
        text.push_str(&format!(
            ",\"sessionContext\":{{\"attributes\":{{\"creationDate\":\"{}\",\"mfaAuthenticated\":\"{mfa}\"}}}}",
            ids::time_text(created)
        ));
    }
    text.push('}');
    text
}

pub fn service(principal: &str) -> String {
    format!("{{\"type\":\"AWSService\",\"invokedBy\":\"{principal}\"}}")
}

/// The identity in records of things that AWS did by itself: no type.
pub fn service_event(account: &str) -> String {
    format!("{{\"accountId\":\"{account}\",\"invokedBy\":\"AWS Internal\"}}")
}

/// The resource owner's copy of a call from another account.
pub fn other_account(account: &str, principal: &str) -> String {
    format!("{{\"type\":\"AWSAccount\",\"principalId\":\"{principal}\",\"accountId\":\"{account}\"}}")
}

/// A person at Identity Center (form since July 2025).
pub fn identity_center(account: &str, user_id: &str, store: &str) -> String {
    format!(
        "{{\"type\":\"IdentityCenterUser\",\"accountId\":\"{account}\",\"onBehalfOf\":{{\"userId\":\"{user_id}\",\"identityStoreArn\":\"{store}\"}}}}"
    )
}
