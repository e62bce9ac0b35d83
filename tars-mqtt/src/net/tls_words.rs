//! What a failed TLS handshake means, and what to do about it.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use crate::log::quoted;

const WITHOUT_TLS: &str = "this port may be one without TLS: write the port for TLS in MQTT_URL \
                           (8883 is usual), or mqtt:// or ws:// if the broker has none";

/// An error of a TLS stream in words. What the server says of itself is quoted.
pub(super) fn explained(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    let Some(cause) = cause else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => {
                format!("the server closed the connection during the handshake; {WITHOUT_TLS}")
            }
            _ => error.to_string(),
        };
    };
    match remedy(cause) {
        Some(remedy) => format!("{remedy} ({})", quoted(&cause.to_string())),
        None => quoted(&cause.to_string()).to_string(),
    }
}

/// An error after the handshake, which seemed to have gone well.
pub(crate) fn explained_after(error: &io::Error) -> String {
    match error.get_ref().and_then(|cause| cause.downcast_ref::<Error>()) {
        Some(_) => format!("TLS: {}", explained(error)),
        None => error.to_string(),
    }
}

fn remedy(error: &Error) -> Option<String> {
    let text = match error {
        Error::InvalidMessage(_) => {
            return Some(format!("the server does not speak TLS; {WITHOUT_TLS}"));
        }
        Error::InvalidCertificate(reason) => return certificate(reason).map(str::to_owned),
        Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate,
        ) => {
            "the broker asks for a client certificate: name one in MQTT_TLS_CERT_FILE and \
              MQTT_TLS_KEY_FILE"
        }
        Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnknownCA,
        ) => {
            "the broker does not accept the client certificate of MQTT_TLS_CERT_FILE, or asks for \
              one"
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion) | Error::PeerIncompatible(_) => {
            "the server and this client have no version or cipher of TLS in common; versions 1.2 \
             and 1.3 are spoken here"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn certificate(reason: &CertificateError) -> Option<&'static str> {
    Some(match reason {
        // The second, when an authority of the same name and another key is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate is signed by nobody who is trusted here: name the \
             certificate of its authority in MQTT_TLS_CA_FILE"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for other names than the host in MQTT_URL: write one that \
             its subjectAltName has, or issue it for this one"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired, or the clock of this machine is wrong"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet, or the clock of this machine is wrong"
        }
        // The type inside is one that only its own crate names.
        CertificateError::Other(other) => match other.to_string() {
            text if text.contains("CaUsedAsEndEntity") => {
                "the server shows the certificate of an authority (CA:TRUE) as its own: issue one \
                 that is none, for instance with `openssl req -x509 -newkey rsa:2048 -nodes -addext \
                 basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:host`, or one that \
                 the authority signs"
            }
            text if text.contains("UnsupportedCertVersion") => {
                "the server's certificate is of X.509 version 1: issue one of version 3, with a \
                 subjectAltName"
            }
            _ => return None,
        },
        _ => return None,
    })
}
