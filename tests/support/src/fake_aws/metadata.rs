//! Where AWS hands a workload the credentials of its role: the container endpoint (ECS, Fargate) and the instance metadata
//! service of EC2, which answers version 2 alone, as good practice has it.

use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::{Call, ROLE_KEY, World, json, status, text};

/// Path of the container endpoint.
pub const CONTAINER: &str = "/v2/credentials/task";
const INSTANCE: &str = "/latest/";
const ROLE_NAME: &str = "trailhound";
const TOKEN: &str = "metadata-token";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";

pub(super) fn is_asked(path: &str) -> bool {
    path == CONTAINER || path.starts_with(INSTANCE)
}

pub(super) fn answer(world: &World, call: &Call) -> Response {
    let Some(role) = world.lock().workload_role else { return status(StatusCode::NOT_FOUND) };
    let credentials = json(&format!(
        r#"{{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"{ROLE_KEY}{role}","SecretAccessKey":"secret","Token":"token","LastUpdated":"2025-03-09T12:00:00Z","Expiration":"2099-01-01T00:00:00Z"}}"#
    ));
    if call.path == CONTAINER {
        world.lock().count("ContainerCredentials");
        return credentials;
    }
    if call.path == "/latest/api/token" {
        if call.method != Method::PUT || !call.headers.contains_key(TTL_HEADER) {
            return status(StatusCode::BAD_REQUEST);
        }
        let mut answer = text(TOKEN);
        answer.headers_mut().insert(TTL_HEADER, "21600".parse().expect("a number is plain"));
        return answer;
    }
    if call.headers.get(TOKEN_HEADER).is_none_or(|token| token.as_bytes() != TOKEN.as_bytes()) {
        return status(StatusCode::UNAUTHORIZED);
    }
    match call.path.strip_prefix("/latest/meta-data/") {
        Some("placement/region") => text("us-east-1"),
        Some("iam/security-credentials/") => text(ROLE_NAME),
        Some(path) if path == format!("iam/security-credentials/{ROLE_NAME}") => {
            world.lock().count("InstanceCredentials");
            credentials
        }
        _ => status(StatusCode::NOT_FOUND),
    }
}
