//! `/evidence/{sha256}`: pictures and trees for who looks at the pages, by their session. Programs and links that
//! expire have `/drift/artifacts`.

use actix_web::HttpResponse;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Data, Path};
use drift_schema::Digest;

use super::{PageError, Viewer};
use crate::http::State;

const NONE: PageError = PageError::NotFound("evidence");

pub(super) async fn show(
    state: Data<State>,
    viewer: Viewer,
    name: Path<String>,
) -> Result<HttpResponse, PageError> {
    let name = Digest::parse(&name).map_err(|_| NONE)?;
    let found = state.find_artifact(&viewer.workspace, &name).await?;
    let (media_type, bytes) = found.ok_or(NONE)?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        // A name that is a hash never means other bytes.
        .insert_header((CACHE_CONTROL, "private, max-age=31536000, immutable"))
        .body(bytes))
}
