import ChoraleBase
import Codec
import Crypto
import Glibc
import HTTP
import JSONRPC

/// Who may call, and what is answered, without a socket.
struct RPCGate: HTTPHandler {
    let options: RPCServer.Options
    let now: @Sendable () -> WallTime
    let handler: RPCServer.Handler

    /// As geth takes them.
    private static let contentTypes = [
        "application/json", "application/json-rpc", "application/jsonrequest",
    ]

    func admit(_ head: HTTPRequestHead) -> HTTPAdmission {
        guard isServed(host: head.host) else {
            return .refused(.text(403, "invalid host specified"))
        }
        let fields = cors(head.origin)
        guard head.path == "/" else {
            return .refused(.text(404, "calls are made to /", fields: fields))
        }
        if head.method == "OPTIONS", !fields.isEmpty {
            let preflight: [HTTPResponse.Field] = [
                .init("Access-Control-Allow-Methods", "POST"),
                .init("Access-Control-Allow-Headers", "Content-Type, Authorization"),
                .init("Access-Control-Max-Age", "600"),
            ]
            return .refused(HTTPResponse(status: 204, body: [], fields: fields + preflight))
        }
        guard head.method == "POST" else {
            return .refused(
                .text(405, "calls are made by POST", fields: fields + [.init("Allow", "POST")]))
        }
        if let secret = options.secret {
            do throws(TokenError) {
                try JSONWebToken.verify(authorization: head.authorization, secret, at: now())
            } catch {
                return .refused(
                    .text(401, "\(error)", fields: fields + [.init("WWW-Authenticate", "Bearer")]))
            }
        }
        let type = head.contentType?.split(separator: ";").first?.lowercased()
            .split(separator: " ").first.map(String.init)
        guard let type, Self.contentTypes.contains(type) else {
            return .refused(
                .text(415, "the content type must be application/json", fields: fields))
        }
        return .body(sizeMax: options.bodySizeMax)
    }

    func answer(_ head: HTTPRequestHead, body: [UInt8]) -> HTTPResponse {
        let answer = RPCBody(limits: options.body).answer(body, handler)
        return HTTPResponse(
            status: 200, contentType: "application/json", body: answer ?? [],
            fields: cors(head.origin))
    }

    /// A name that resolves to this machine may be an attacker's; an address cannot be.
    private func isServed(host: String?) -> Bool {
        // Browsers always say it.
        guard let host, !host.isEmpty else { return true }
        let name = Self.name(ofHost: host)
        return options.virtualHosts.contains { $0 == "*" || $0.lowercased() == name.lowercased() }
            || Self.isAddress(name)
    }

    private static func name(ofHost host: String) -> String {
        if host.hasPrefix("["), let end = host.lastIndex(of: "]") {
            return String(host[host.index(after: host.startIndex)..<end])
        }
        guard let colon = host.lastIndex(of: ":") else { return host }
        // More than one colon is an address without a port.
        return host.firstIndex(of: ":") == colon ? String(host[..<colon]) : host
    }

    private static func isAddress(_ text: String) -> Bool {
        var ipv4 = in_addr()
        var ipv6 = in6_addr()
        return inet_pton(AF_INET, text, &ipv4) == 1 || inet_pton(AF_INET6, text, &ipv6) == 1
    }

    /// Nothing for an origin that is not named.
    private func cors(_ origin: String?) -> [HTTPResponse.Field] {
        guard let origin, options.corsOrigins.contains(where: { $0 == "*" || $0 == origin }) else {
            return []
        }
        return [.init("Access-Control-Allow-Origin", origin), .init("Vary", "Origin")]
    }
}
