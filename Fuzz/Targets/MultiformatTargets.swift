import ChoraleBase
import Codec
import PeerIdentity

extension FuzzTarget {
    static let multiformatTargets: [FuzzTarget] = [
        FuzzTarget(
            "multibase", "text in any base; decodes to what it encodes from", sizeMax: 1100,
            seeds: {
                Multibase.Encoding.allCases.map {
                    Array(Multibase.encode([0, 0, 1, 2, 250], as: $0).utf8)
                }
            }, run: multibase),
        FuzzTarget(
            "base58", "base58; one text for each value", sizeMax: 1100,
            seeds: {
                [
                    Array(Base58.encode([0, 0, 1, 2, 250]).utf8),
                    Array(Actors.peers[0].description.utf8),
                ]
            }, run: base58),
        FuzzTarget(
            "multihash", "a multihash; encodes to what was read", sizeMax: 256,
            seeds: { [Actors.peers[0].multihash, [0x12, 32] + [UInt8](repeating: 1, count: 32)] },
            run: multihash),
        FuzzTarget(
            "cid", "a CID as bytes and as text; survives both", sizeMax: 1100,
            seeds: {
                [
                    Array(Actors.peers[0].cid.utf8), Array(Actors.peers[0].description.utf8),
                    (try? CID(Actors.peers[0].cid))?.bytes ?? [],
                ]
            }, run: cid),
        FuzzTarget(
            "multiaddr-bytes", "a multiaddr's bytes; the text leads back to them", sizeMax: 600,
            seeds: { sampleAddresses.compactMap { (try? Multiaddr($0))?.bytes } },
            run: multiaddrBytes),
        FuzzTarget(
            "multiaddr-text", "a multiaddr's text; the bytes lead back to one text",
            sizeMax: 2100, seeds: { sampleAddresses.map { Array($0.utf8) } }, run: multiaddrText),
        FuzzTarget(
            "ip-text", "IPv4 and IPv6 text, and the scope and group of what it names", sizeMax: 64,
            seeds: {
                ["1.2.3.4", "::1", "2001:db8::1:0:0:1", "::ffff:1.2.3.4", "fe80::"].map {
                    Array($0.utf8)
                }
            }, run: ipText),
    ]

    static let sampleAddresses = [
        "/ip4/127.0.0.1/tcp/4001", "/ip6/2001:db8::1/udp/443/quic-v1",
        "/dns4/example.org/tcp/4001/p2p/\(Actors.peers[0])", "/dnsaddr/bootstrap.example.org",
        "/ip4/1.2.3.4/tcp/1/p2p/\(Actors.peers[1])/p2p-circuit/p2p/\(Actors.peers[2])",
        "/ip4/10.0.0.1/tcp/80/ws", "/unix/tmp/socket",
    ]

    static func text(_ input: [UInt8]) -> String { String(decoding: input, as: UTF8.self) }

    private static func multibase(_ input: [UInt8], _ findings: inout Findings) {
        do throws(Multibase.DecodeError) {
            let (encoding, bytes) = try Multibase.decode(text(input))
            let again = Multibase.encode(bytes, as: encoding)
            // Codes of one case are read in either.
            require(
                again.lowercased() == text(input).lowercased(),
                "\(text(input)) and \(again) are the same bytes")
            require(try Multibase.decode(again).bytes == bytes, "another round trip")
            findings.note("multibase", encoding)
        } catch {
            findings.note("multibase", error)
        }
    }

    private static func base58(_ input: [UInt8], _ findings: inout Findings) {
        do throws(Multibase.DecodeError) {
            let bytes = try Base58.decode(text(input))
            require(Base58.encode(bytes) == text(input), "two texts of one value")
            findings.note("base58", size: bytes.count)
        } catch {
            findings.note("base58", error)
        }
    }

    private static func multihash(_ input: [UInt8], _ findings: inout Findings) {
        do throws(Multihash.DecodeError) {
            let hash = try Multihash(bytes: input.span)
            require(hash.bytes == input, "two encodings of one multihash")
            require(hash.digest.count <= Multihash.digestSizeMax, "a digest over the limit")
            findings.note("multihash", size: hash.digest.count)
            require(
                !hash.isPeerID || (try? PeerID(multihash: input)) != nil,
                "a peer id that is none")
        } catch {
            findings.note("multihash", error)
        }
    }

    private static func cid(_ input: [UInt8], _ findings: inout Findings) {
        var decoded: [CID] = []
        do throws(CID.DecodeError) { decoded.append(try CID(bytes: input.span)) } catch {
            findings.note("cid bytes", error)
        }
        do throws(CID.DecodeError) { decoded.append(try CID(text(input))) } catch {
            findings.note("cid text", error)
        }
        for cid in decoded {
            findings.note("cid", cid.version)
            require((try? CID(bytes: cid.bytes.span)) == cid, "bytes of another CID")
            require((try? CID(cid.text())) == cid, "text of another CID: \(cid.text())")
        }
    }

    private static func use(_ address: Multiaddr, _ findings: inout Findings) {
        require(address.bytes.count <= Multiaddr.sizeMax, "an address over the limit")
        require((try? Multiaddr(bytes: address.bytes)) == address, "bytes of another address")
        require(
            (try? Multiaddr(address.text)) == address,
            "\(address.text) is not the text of \(Hex.encode(address.bytes))")
        require((try? Multiaddr(address.components)) == address, "components of another address")
        for component in address.components { findings.note("component", component) }
        findings.note("endpoint", address.tcpEndpoint?.host)
        findings.note("dnsaddr", size: address.dnsaddrName?.utf8.count ?? 0)
        findings.note("relayed", size: address.isRelayed ? 1 : 0)
        if let peer = address.peerID {
            require(address.peerIDMultihash == peer.multihash, "another peer")
        }
        if let ip = address.ipAddress { _ = (ip.scope, ip.group) }
        if let bare = address.removingPeerID {
            require(bare.bytes.count <= address.bytes.count, "removing made it longer")
        }
    }

    private static func multiaddrBytes(_ input: [UInt8], _ findings: inout Findings) {
        do throws(Multiaddr.ParseError) {
            let address = try Multiaddr(bytes: input)
            require(address.bytes == input, "another address than was sent")
            use(address, &findings)
        } catch {
            findings.note("multiaddr bytes", error)
        }
    }

    private static func multiaddrText(_ input: [UInt8], _ findings: inout Findings) {
        do throws(Multiaddr.ParseError) {
            use(try Multiaddr(text(input)), &findings)
        } catch {
            findings.note("multiaddr text", error)
        }
    }

    private static func ipText(_ input: [UInt8], _ findings: inout Findings) {
        guard let address = IPAddress(text(input)) else { return findings.note("ip", "no") }
        require(IPAddress(address.description) == address, "\(address) is another address")
        require(IPAddress(bytes: address.bytes.span) == address, "bytes of another address")
        let group = address.group
        // Mapped IPv4 counts as IPv4, lest every IPv4 address have a second group.
        let plain = address.unmapped
        require(group.narrow.contains(plain) && group.wide.contains(plain), "its group")
        findings.note("ip", address.scope)
        findings.note("ip", address)
    }
}
