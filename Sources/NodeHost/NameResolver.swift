import Codec
import DriverUV
import Swarm

/// Answers a node's questions about names, through the loop's resolver.
final class NameResolver {
    private let resolver: Resolver?
    private let answer: (ResolutionID, ResolutionAnswer) -> Void
    /// Why there is no resolver: names then fail with this, and addresses still work.
    private var unavailable = ""

    init(
        loop: EventLoop, answer: @escaping (ResolutionID, ResolutionAnswer) -> Void
    ) throws(SystemError) {
        self.answer = answer
        do throws(ResolverError) {
            resolver = try Resolver(loop: loop)
        } catch {
            resolver = nil
            unavailable = "no name resolution: \(error)"
        }
    }

    func resolve(_ id: ResolutionID, _ query: ResolutionQuery) {
        guard let resolver else {
            answer(id, .failed(unavailable))
            return
        }
        switch query {
        case .addresses(let name, let ip4, let ip6):
            let family: Host.Family = ip4 && ip6 ? .any : ip4 ? .ip4 : .ip6
            _ = resolver.addresses(of: name, family: family) { [answer] result in
                switch result {
                case .success(let addresses): answer(id, .addresses(addresses))
                case .failure(let error): answer(id, .failed("\(name): \(error)"))
                }
            }
        case .dnsaddr(let name):
            _ = resolver.dnsaddrs(of: name) { [answer] result in
                switch result {
                case .success(let texts): answer(id, .texts(texts))
                case .failure(let error): answer(id, .failed("\(name): \(error)"))
                }
            }
        }
    }

    func close() { resolver?.close() }
}
