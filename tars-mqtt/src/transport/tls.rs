use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dial::Stream;
use super::handshake::ConnectError;
use crate::config::Config;
use crate::{Error, Result};

/// Certificates are verified against the CA file, or the system's roots where there is none.
///
/// The cryptography is named here and not taken from the process: two providers in one program
/// would make rustls panic.
pub(super) fn client_config(config: &Config) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match config.tls_ca_path() {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| unusable(path, &error))?;
            }
        }
        None => {
            let native = rustls_native_certs::load_native_certs();
            let (added, _) = roots.add_parsable_certificates(native.certs);
            if added == 0 {
                return Err(Error::Tls(
                    "the system has no root certificates; name a file in MQTT_TLS_CA_FILE"
                        .to_owned(),
                ));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls(error.to_string()))?
        .with_root_certificates(roots);
    let client = match config.tls_client_paths() {
        Some((chain, key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|e| unusable(key, &e))?;
            builder
                .with_client_auth_cert(certificates(chain)?, private)
                .map_err(|error| unusable(chain, &error))?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(client))
}

impl Stream for TlsStream<Box<dyn Stream>> {
    fn acknowledge_at_once(&self) {
        self.get_ref().0.acknowledge_at_once();
    }
}

pub(super) async fn connect(
    config: Arc<ClientConfig>,
    host: &str,
    stream: Box<dyn Stream>,
) -> std::result::Result<Box<dyn Stream>, ConnectError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| ConnectError::Failed(format!("{host} cannot be a certificate's name")))?;
    let secured = TlsConnector::from(config).connect(name, stream).await;
    let secured = secured.map_err(|error| ConnectError::Failed(format!("TLS: {error}")))?;
    Ok(Box::new(secured))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| unusable(path, &error))?;
    if all.is_empty() {
        return Err(Error::Tls(format!("{} contains no certificate in PEM form", path.display())));
    }
    Ok(all)
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Tls(format!("{} cannot be used: {error}", path.display()))
}
