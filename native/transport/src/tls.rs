//! TLS: what is trusted, how the client proves itself, and what the peer has to agree to.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_name, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::validity;

/// How a server is trusted and how the client proves itself.
#[derive(Clone, Default)]
pub struct TlsOptions {
    /// PEM text to trust; without it that of the system and, where that has none, Mozilla's.
    pub roots: Option<Vec<u8>>,
    /// PEM texts of the client's certificates and of their private key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Returns the settings of connections; the error names what cannot be used, and quotes nothing.
pub fn client_config(options: &TlsOptions) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (roots, pinned) = match &options.roots {
        None => (built_in_roots(), Vec::new()),
        Some(pem) => given_roots(pem)?,
    };
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| format!("the trusted certificates: {error}"))?;
    let verifier = Arc::new(Verifier { inner, pinned });
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &options.client {
        None => builder.with_no_client_auth(),
        Some((certificates, key)) => {
            let certificates = certificates_of(certificates)
                .ok_or("the client's certificates: they are not PEM")?;
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|_| "the client's private key: it is not PEM")?;
            builder
                .with_client_auth_cert(certificates, key)
                .map_err(|error| format!("the client's certificates: {error}"))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn certificates_of(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty())
}

fn given_roots(pem: &[u8]) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), String> {
    let given = certificates_of(pem).ok_or("the trusted certificates: they are not PEM")?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(given.iter().cloned());
    if added == 0 {
        return Err("the trusted certificates: none of them can be read".to_owned());
    }
    Ok((roots, given))
}

fn built_in_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// rustls's own verifier, and beside it one certificate that is its own root.
///
/// `openssl req -x509` makes a certificate that is an authority, and which servers use as theirs.
/// Whoever trusts just that one means it; webpki refuses an authority as a server's certificate.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let result = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        if result.is_ok() || !self.pinned.iter().any(|pinned| pinned == end_entity) {
            return result;
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        match validity::of(end_entity) {
            None => result,
            Some((from, _)) if now.as_secs() < from => Err(CertificateError::NotValidYet.into()),
            Some((_, to)) if now.as_secs() > to => Err(CertificateError::Expired.into()),
            Some(_) => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
