use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::ConnectError;
use super::pem::{certificates, private_key};
use super::stream::Stream;
use super::tls_words::explained;
use crate::config::{Config, PEM_BYTES, read_file};
use crate::error::{Error, Result};

/// What TLS needs, as the files held it when they could last be used.
pub(super) struct Tls {
    paths: Paths,
    current: Mutex<(Contents, Arc<ClientConfig>)>,
}

struct Paths {
    ca: Option<PathBuf>,
    /// The client's certificate and key.
    client: Option<(PathBuf, PathBuf)>,
}

#[derive(PartialEq)]
struct Contents {
    ca: Option<Vec<u8>>,
    client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let paths = Paths {
            ca: config.tls_ca_path().map(Path::to_owned),
            client: config.tls_client_paths().map(|(chain, key)| (chain.into(), key.into())),
        };
        let contents = paths.read().map_err(Error::Tls)?;
        let client = paths.client_config(&contents).map_err(Error::Tls)?;
        Ok(Self { paths, current: Mutex::new((contents, client)) })
    }

    pub(super) fn has_files(&self) -> bool {
        self.paths.ca.is_some() || self.paths.client.is_some()
    }

    /// Reads the files again, and uses what they hold if all of it can be used together. Where
    /// nothing has changed, TLS sessions can be resumed.
    pub(super) fn renew(&self) -> std::result::Result<(), String> {
        let contents = self.paths.read()?;
        if self.current.lock().unwrap_or_else(PoisonError::into_inner).0 == contents {
            return Ok(());
        }
        let client = self.paths.client_config(&contents)?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = (contents, client);
        Ok(())
    }

    pub(super) fn current(&self) -> Arc<ClientConfig> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

/// The errors are sentences that begin with a path.
impl Paths {
    fn read(&self) -> std::result::Result<Contents, String> {
        let read = |path: &PathBuf| read_file(path, PEM_BYTES).map_err(|e| about(path, &e));
        Ok(Contents {
            ca: self.ca.as_ref().map(read).transpose()?,
            client: match &self.client {
                Some((chain, key)) => Some((read(chain)?, read(key)?)),
                None => None,
            },
        })
    }

    /// Certificates are verified against the CA file, or the system's roots where there is none.
    ///
    /// The cryptography is named here and not taken from the process: two providers in one program
    /// would make rustls panic.
    fn client_config(&self, contents: &Contents) -> std::result::Result<Arc<ClientConfig>, String> {
        let roots = match self.ca.as_deref().zip(contents.ca.as_deref()) {
            Some((path, bytes)) => authorities(bytes).map_err(|error| about(path, &error))?,
            None => system_roots()?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let Some(((chain_path, key_path), (chain, key))) =
            self.client.as_ref().zip(contents.client.as_ref())
        else {
            return Ok(Arc::new(builder.with_no_client_auth()));
        };
        let chain = certificates(chain).map_err(|error| about(chain_path, &error))?;
        let key = private_key(key).map_err(|error| about(key_path, &error))?;
        let client = builder.with_client_auth_cert(chain, key).map_err(|error| {
            about(chain_path, &format!("cannot be used with {}: {error}", key_path.display()))
        })?;
        Ok(Arc::new(client))
    }
}

fn authorities(bytes: &[u8]) -> std::result::Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(bytes)? {
        roots.add(certificate).map_err(|error| format!("cannot be used: {error}"))?;
    }
    Ok(roots)
}

fn system_roots() -> std::result::Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(native.certs);
    if added == 0 {
        return Err(
            "the system has no root certificates; name a file in MQTT_TLS_CA_FILE".to_owned()
        );
    }
    Ok(roots)
}

fn about(path: &Path, reason: &str) -> String {
    format!("{} {reason}", path.display())
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
    let secured =
        secured.map_err(|error| ConnectError::Failed(format!("TLS: {}", explained(&error))))?;
    Ok(Box::new(secured))
}
