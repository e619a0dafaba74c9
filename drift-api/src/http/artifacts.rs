//! `/drift/artifacts`: evidence in, evidence out, with a key or with a link that expires.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Bytes, Data, Json, Path, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use drift_schema::answer::{ArtifactLink, StoredArtifact};
use drift_schema::event::ArtifactStored;
use drift_schema::{Code, Digest, Micros, Problem, Refusal, Scope, Workspace};
use serde::Deserialize;

use super::State;
use super::body::Accepts;
use super::error::ApiError;
use crate::artifacts::link::{Bad, Signed, Signer};
use crate::artifacts::{MOST_BYTES, MediaType, Unreachable, name_of};
use crate::telemetry::causes;

/// A link that nobody asked a time for works this long: an issue may be open for a while.
const LINK_SECONDS: u32 = 90 * 86_400;
const LONGEST_LINK_SECONDS: u32 = 366 * 86_400;

/// Keep evidence
///
/// PNG, plain text or JSON, by what the bytes look like. The same bytes again are nothing new.
#[utoipa::path(
    put, path = "/drift/artifacts", tag = "runner",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "Kept, now or before", body = StoredArtifact),
        (status = 413, description = "`body_too_large`, `quota_exceeded`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_artifact`, `unsupported_encoding`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["runner", "ingest"])),
)]
pub(super) async fn put(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<StoredArtifact>, ApiError> {
    let key = state
        .authorise(&request, &[Scope::Runner, Scope::Ingest])
        .await?;
    let accepts = Accepts {
        media_types: &[],
        limit: MOST_BYTES,
        gzip: true,
        deadline: state.body_deadline,
    };
    let bytes = accepts.read(&request, payload).await?;
    let size = bytes.len() as u64;
    let looked_at = bytes.clone();
    // Megabytes to hash and to read: not on a thread that serves others.
    let looked = tokio::task::spawn_blocking(move || {
        MediaType::of(&looked_at).map(|media_type| (media_type, name_of(&looked_at)))
    });
    let (media_type, sha256) = looked
        .await
        .map_err(|_| Code::Internal)?
        .ok_or(Code::UnsupportedArtifact)?;
    if state
        .read(state.store.artifact(&key.workspace, &sha256))
        .await?
        .is_none()
        && let Some(quota) = state.artifact_quota
        && state
            .read(state.store.artifact_bytes(&key.workspace))
            .await?
            + size
            > quota
    {
        return Err(Refusal::of(Code::QuotaExceeded)
            .rule("raise DRIFT_ARTIFACTS_QUOTA, or keep less by DRIFT_RETAIN_ARTIFACT_DAYS and run `drift-api retain`")
            .into());
    }
    // The bytes first: what the log says is there.
    let kept = state.artifacts.keep(&key.workspace, &sha256, bytes);
    kept.await.map_err(unreachable)?;
    let stored = ArtifactStored {
        sha256: sha256.clone(),
        media_type: media_type.as_str().to_owned(),
        size,
        by: key.id.clone(),
    };
    let noted = state
        .store
        .note_artifact(&key.workspace, stored, Micros::now());
    state.read(noted).await?;
    Ok(Json(StoredArtifact { sha256, size }))
}

/// Show evidence
///
/// With a key, or with the query of a signed link.
#[utoipa::path(
    get, path = "/drift/artifacts/{sha256}", tag = "read",
    params(
        ("sha256" = Digest, Path),
        ("workspace" = Option<Workspace>, Query, description = "Of a signed link"),
        ("expires" = Option<i64>, Query, description = "Of a signed link"),
        ("signature" = Option<String>, Query, description = "Of a signed link"),
    ),
    responses(
        (status = 200, description = "The bytes", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 401, description = "`missing_key`, `invalid_key`, `invalid_signature`", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`insufficient_scope`, `link_expired`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["read", "runner"]), ()),
)]
pub(super) async fn show(
    state: Data<State>,
    request: HttpRequest,
    name: Path<Digest>,
) -> Result<HttpResponse, ApiError> {
    let name = name.into_inner();
    let workspace = if request.query_string().is_empty() {
        let key = state
            .authorise(&request, &[Scope::Read, Scope::Runner])
            .await?;
        key.workspace.clone()
    } else {
        state.readiness.check()?;
        let signed = Query::<Signed>::from_query(request.query_string())
            .map_err(|_| Code::InvalidSignature)?
            .into_inner();
        let signer = state.signer().await?;
        signer
            .check(&signed, &name, Micros::now())
            .map_err(|bad| match bad {
                Bad::Signature => Code::InvalidSignature,
                Bad::Expired => Code::LinkExpired,
            })?;
        signed.workspace
    };
    let (media_type, bytes) = state
        .find_artifact(&workspace, &name)
        .await?
        .ok_or(Code::NotFound)?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        // A name that is a hash never means other bytes.
        .insert_header((CACHE_CONTROL, "private, max-age=31536000, immutable"))
        .body(bytes))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// 90 days if not given; a year at most.
    expires_seconds: Option<u32>,
}

/// Make a link to evidence
///
/// It works without a key until it expires.
#[utoipa::path(
    post, path = "/drift/artifacts/{sha256}/link", tag = "runner", request_body = Asked, params(("sha256" = Digest, Path)),
    responses(
        (status = 200, description = "The link", body = ArtifactLink),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["runner", "read"])),
)]
pub(super) async fn link(
    state: Data<State>,
    request: HttpRequest,
    name: Path<Digest>,
    payload: Payload,
) -> Result<Json<ArtifactLink>, ApiError> {
    let key = state
        .authorise(&request, &[Scope::Runner, Scope::Read])
        .await?;
    let asked: Asked = super::body::json(&state, &request, payload).await?;
    let seconds = asked.expires_seconds.unwrap_or(LINK_SECONDS);
    if seconds > LONGEST_LINK_SECONDS {
        let rule = "a link may work for 366 days at most";
        return Err(Refusal::field(Code::InvalidBody, "expires_seconds")
            .rule(rule)
            .into());
    }
    let name = name.into_inner();
    let kept = state.store.artifact(&key.workspace, &name);
    state.read(kept).await?.ok_or(Code::NotFound)?;
    let expires = Micros::now().0 / 1_000_000 + i64::from(seconds);
    let query = state.signer().await?.query(&key.workspace, &name, expires);
    let base = state.public_url.as_str().trim_end_matches('/');
    Ok(Json(ArtifactLink {
        url: format!("{base}/drift/artifacts/{name}?{query}"),
    }))
}

impl State {
    /// An artifact that the log knows, with its media type.
    pub(crate) async fn find_artifact(
        &self,
        workspace: &Workspace,
        name: &Digest,
    ) -> Result<Option<(String, Bytes)>, ApiError> {
        let Some(media_type) = self.read(self.store.artifact(workspace, name)).await? else {
            return Ok(None);
        };
        let found = self.artifacts.find(workspace, name).await;
        Ok(found.map_err(unreachable)?.map(|bytes| (media_type, bytes)))
    }

    /// With the key of the configuration, or with the one that the processes on this database share.
    async fn signer(&self) -> Result<&Signer, ApiError> {
        let made = self.signer.get_or_try_init(async || {
            if let Some(key) = &self.signing_key {
                return Ok(Signer::new(key));
            }
            let mut drawn = [0; 32];
            getrandom::fill(&mut drawn).map_err(|_| ApiError::from(Code::Internal))?;
            let shared = self.store.shared_secret("links", drawn.to_vec());
            Ok(Signer::of(&self.read(shared).await?))
        });
        made.await
    }
}

fn unreachable(error: Unreachable) -> ApiError {
    tracing::warn!(error = %causes(&error), "the evidence could not be reached");
    Code::Unavailable.into()
}
