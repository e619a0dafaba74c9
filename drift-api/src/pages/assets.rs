//! Style, scripts and icon: in the program itself, under names that carry the hash of their contents, so that a browser
//! may keep them for good.

use std::io::Write as _;
use std::sync::LazyLock;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ContentEncoding, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use super::PageError;

/// One file as it is served.
pub(crate) struct Asset {
    url: String,
    media_type: &'static str,
    bytes: &'static [u8],
    /// None for what is no smaller for it.
    gzip: Option<Bytes>,
}

macro_rules! assets {
    ($($name:ident = $path:literal, $stem:literal, $extension:literal, $media_type:literal;)*) => {
        $(pub(crate) static $name: LazyLock<Asset> = LazyLock::new(|| {
            Asset::new($stem, $extension, $media_type, include_bytes!(concat!("../../static/", $path)))
        });)*

        fn all() -> impl Iterator<Item = &'static Asset> {
            [$(&*$name),*].into_iter()
        }
    };
}

assets! {
    STYLE = "style.css", "style", "css", "text/css; charset=utf-8";
    SCRIPT = "pages.js", "pages", "js", "text/javascript; charset=utf-8";
    PLOT = "plot.js", "plot", "js", "text/javascript; charset=utf-8";
    ICON = "icon.svg", "icon", "svg", "image/svg+xml";
    UPLOT = "vendor/uplot/uPlot.iife.min.js", "uplot", "js", "text/javascript; charset=utf-8";
    UPLOT_STYLE = "vendor/uplot/uPlot.min.css", "uplot", "css", "text/css; charset=utf-8";
}

impl Asset {
    fn new(stem: &str, extension: &str, media_type: &'static str, bytes: &'static [u8]) -> Self {
        let hash = hex::encode(&Sha256::digest(bytes)[..6]);
        Self {
            url: format!("/static/{stem}.{hash}.{extension}"),
            media_type,
            bytes,
            gzip: smaller(bytes),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

fn smaller(bytes: &[u8]) -> Option<Bytes> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).ok()?;
    let packed = gzip.finish().ok()?;
    (packed.len() < bytes.len()).then(|| packed.into())
}

/// Nobody needs a key for these: the page that asks for one is made of them, too.
pub(super) async fn show(
    request: HttpRequest,
    name: Path<String>,
) -> Result<HttpResponse, PageError> {
    let asset = all()
        .find(|asset| asset.url["/static/".len()..] == **name)
        .ok_or(PageError::NotFound("file"))?;
    let accepts = request.headers().get(ACCEPT_ENCODING);
    let gzip = accepts.is_some_and(|it| it.to_str().is_ok_and(|it| it.contains("gzip")));
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((CONTENT_TYPE, asset.media_type))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((VARY, "accept-encoding"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    Ok(match &asset.gzip {
        Some(packed) if gzip => answer
            .insert_header((CONTENT_ENCODING, ContentEncoding::Gzip))
            .body(packed.clone()),
        _ => answer.body(asset.bytes),
    })
}
