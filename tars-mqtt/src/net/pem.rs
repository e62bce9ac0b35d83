//! Certificates and keys out of PEM files, and what to do about files that hold none.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// All certificates of a file.
///
/// # Errors
///
/// What the file is instead, as the end of a sentence that begins with its path.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(instead(bytes, "certificate", "x509")),
        Err(error) => Err(format!("cannot be used: {error}")),
    }
}

/// The private key of a file.
///
/// # Errors
///
/// What the file is instead, as the end of a sentence that begins with its path.
pub(super) fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let text = String::from_utf8_lossy(bytes);
    // The second is the older form, where the label does not tell.
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("4,ENCRYPTED") {
        return Err("holds an encrypted private key, and there is no way to give its passphrase: \
                    decrypt it with `openssl pkey -in encrypted.pem -out key.pem`, chmod 600, and \
                    name that file"
            .to_owned());
    }
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => instead(bytes, "private key", "pkey"),
        other => format!("cannot be used: {other}"),
    })
}

/// What a file holds that has nothing of the kind that is wanted.
fn instead(bytes: &[u8], wanted: &str, tool: &str) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.trim().is_empty() {
        return format!("is empty, and a {wanted} is needed");
    }
    // What DER begins with.
    if bytes.starts_with(&[0x30]) {
        return format!(
            "is binary, and a {wanted} in PEM form is needed: convert it with `openssl {tool} \
             -inform der -in file -out file.pem`, or with `openssl pkcs12` what ends in .p12 or \
             .pfx"
        );
    }
    if text.contains("BEGIN OPENSSH PRIVATE KEY") {
        return format!(
            "holds a key in the form of OpenSSH, and a {wanted} is needed: convert a key with \
             `ssh-keygen -p -m PKCS8 -f file`"
        );
    }
    let found = [
        ("PRIVATE KEY-----", "a private key"),
        ("PUBLIC KEY-----", "a public key"),
        ("CERTIFICATE REQUEST-----", "a certificate request"),
        ("CERTIFICATE-----", "a certificate"),
    ];
    match found.into_iter().find(|(label, _)| text.contains(label)) {
        Some((_, found)) => format!("holds {found}, and a {wanted} is needed: name its file"),
        None => format!("contains no {wanted} in PEM form"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(label: &str, inside: &str) -> String {
        format!("-----BEGIN {label}-----\n{inside}\n-----END {label}-----\n")
    }

    #[test]
    fn an_encrypted_key_says_so_and_what_to_do() {
        let old = block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: x,y\n\nAAAA");
        for text in [block("ENCRYPTED PRIVATE KEY", "AAAA"), old] {
            let reason = private_key(text.as_bytes()).unwrap_err();
            assert!(reason.contains("encrypted") && reason.contains("openssl pkey"), "{reason}");
        }
    }

    #[test]
    fn a_file_of_another_kind_says_what_it_is() {
        for (text, word) in [
            (String::new(), "is empty"),
            (" \n".to_owned(), "is empty"),
            ("hello".to_owned(), "contains no private key"),
            ("0\u{1}\u{2}".to_owned(), "is binary"),
            (block("CERTIFICATE", "AAAA"), "holds a certificate"),
            (block("CERTIFICATE REQUEST", "AAAA"), "holds a certificate request"),
            (block("PUBLIC KEY", "AAAA"), "holds a public key"),
            (block("OPENSSH PRIVATE KEY", "AAAA"), "ssh-keygen"),
        ] {
            let reason = private_key(text.as_bytes()).unwrap_err();
            assert!(reason.contains(word), "{text}: {reason}");
        }
        let reason = certificates(block("PRIVATE KEY", "AAAA").as_bytes()).unwrap_err();
        assert!(reason.contains("holds a private key, and a certificate is needed"), "{reason}");
    }
}
