//! The service and method of a gRPC call. In: the path of its request. Out: `Rpc`.

/// The service and method of a gRPC call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rpc {
    /// The full name of the service, with its package: the value of `rpc.service`.
    pub service: String,
    /// The method without the service: the value of `rpc.method`.
    pub method: String,
}

impl Rpc {
    /// Splits the path `/package.Service/Method` (gRPC over HTTP/2, "Requests"). `None` for any
    /// other form.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        let (service, method) = path.strip_prefix('/')?.rsplit_once('/')?;
        if service.is_empty() || method.is_empty() {
            return None;
        }
        Some(Self {
            service: service.to_owned(),
            method: method.to_owned(),
        })
    }
}
