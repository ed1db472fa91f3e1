import TestSupport
import Testing

@testable import Crypto

/// Certificates and lists of attestation services, whole, cut and changed.
@Suite(.enabled(if: Vectors.root != nil, "\(Vectors.absence)"))
struct X509VectorTests {
    static let roots = [
        "tee/intel/intel-sgx-root-ca.der", "tee/nitro/aws-nitro-root.der",
        "tee/amd/certs/milan-ark.der", "tee/amd/certs/genoa-ark.der",
        "tee/amd/certs/turin-ark.der",
    ]

    @Test func readsWhatACertificateSays() throws {
        let intel = try X509Certificate(Vectors.data(Self.roots[0]))
        #expect(intel.commonName == "Intel SGX Root CA")
        // 2018-05-21T10:45:10Z to 2049-12-31T23:59:59Z.
        #expect(intel.validity == 1_526_899_510...2_524_607_999)
        #expect(intel.isAuthority)
        #expect(intel.pathLengthMax == 1)
        #expect(intel.keyUsage == [.certificateSign, .revocationListSign])
        #expect(intel.signatureAlgorithm == .ecdsaP256SHA256)
        #expect(intel.subject == intel.issuer)
        #expect(P256.isPublicKey(intel.subjectPublicKeyInfo))
        let leaf = try X509Certificate(Vectors.data("tee/amd/certs/milan-vcek-1.der"))
        #expect(leaf.commonName == "SEV-VCEK")
        #expect(!leaf.isAuthority && leaf.pathLengthMax == nil && leaf.keyUsage == nil)
        #expect(leaf.signatureAlgorithm == .rsaPSSSHA384)
        #expect(leaf.serialNumber == [2, 1, 0])
        #expect(leaf.value(ofExtension: "1.3.6.1.4.1.3704.1.3.8") == [2, 1, 68])
        #expect(leaf.value(ofExtension: "1.3.6.1.4.1.3704.1.9") == nil)
    }

    @Test(arguments: roots) func rootsSignThemselvesAndNobodyElse(path: String) throws {
        let root = try X509Certificate(Vectors.data(path))
        for other in Self.roots {
            let key = try X509Certificate(Vectors.data(other)).subjectPublicKeyInfo
            #expect(root.isSigned(by: key) == (other == path), "\(other)")
        }
        #expect(!root.isSigned(by: []))
    }

    /// A change that can still be read is one that the signature does not cover, or breaks.
    @Test(arguments: roots) func refusesWhatIsChanged(path: String) throws {
        let bytes = try Vectors.data(path)
        let root = try X509Certificate(bytes)
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1 << UInt8(index % 8)
            guard let other = try? X509Certificate(changed) else { continue }
            let isSigned = other.isSigned(by: root.subjectPublicKeyInfo)
            #expect(!isSigned, "byte \(index)")
        }
        for count in bytes.indices {
            #expect(throws: X509Certificate.DecodeError.malformed) {
                _ = try X509Certificate(Array(bytes.prefix(count)))
            }
        }
        #expect(throws: X509Certificate.DecodeError.malformed) {
            _ = try X509Certificate(bytes + [0])
        }
        let limit = X509Certificate.encodingSizeMax
        #expect(throws: X509Certificate.DecodeError.encodingTooLong(size: limit + 1, limit: limit))
        {
            _ = try X509Certificate(.init(repeating: 0, count: limit + 1))
        }
    }

    /// libcrypto takes a sequence that says it is not made of parts, and reads the parts.
    @Test func refusesWhatIsNotDER() throws {
        var bytes = try Vectors.data(Self.roots[0])
        // [3], and in it the sequence of extensions.
        let extensions = try #require(
            bytes.indices.first {
                bytes[$0...].starts(with: [0xA3, 0x81]) && bytes[$0 + 3] == 0x30
            })
        bytes[extensions + 3] = 0x10
        #expect(throws: X509Certificate.DecodeError.notDistinguished) {
            _ = try X509Certificate(bytes)
        }
    }

    @Test func readsRevocationLists() throws {
        let collateral = try Vectors.json("tee/intel/collateral/tdx-90c06f000000-2026-02.json")
        let bytes = try collateral["pck_crl"].hex
        let list = try X509RevocationList(bytes)
        #expect(list.validity == 1_771_411_275...1_774_003_275)
        #expect(!list.serialNumbers.isEmpty)
        let root = try X509Certificate(Vectors.data(Self.roots[0]))
        #expect(!list.isSigned(by: root.subjectPublicKeyInfo))
        #expect(!list.revokes(root))
        let rootList = try X509RevocationList(collateral["root_ca_crl"].hex)
        #expect(rootList.isSigned(by: root.subjectPublicKeyInfo))
        #expect(rootList.issuer == root.subject)
        #expect(rootList.serialNumbers.isEmpty)
        for count in bytes.indices {
            #expect(throws: X509RevocationList.DecodeError.malformed) {
                _ = try X509RevocationList(Array(bytes.prefix(count)))
            }
        }
        #expect(throws: X509RevocationList.DecodeError.malformed) {
            _ = try X509RevocationList(bytes + [0])
        }
        // What is listed is what is read, and under the signature.
        let small = rootList.encoding
        for index in small.indices {
            var changed = small
            changed[index] ^= 1 << UInt8(index % 8)
            guard let other = try? X509RevocationList(changed) else { continue }
            let isSigned = other.isSigned(by: root.subjectPublicKeyInfo)
            #expect(!isSigned, "byte \(index)")
        }
        let limit = X509RevocationList.encodingSizeMax
        #expect(
            throws: X509RevocationList.DecodeError.encodingTooLong(size: limit + 1, limit: limit)
        ) { _ = try X509RevocationList(.init(repeating: 0, count: limit + 1)) }
    }

    @Test func timesHaveTwoForms() {
        func utc(_ text: String) -> Int64? { X509Time.seconds(utc: Array(text.utf8)) }
        func general(_ text: String) -> Int64? { X509Time.seconds(generalized: Array(text.utf8)) }
        #expect(utc("700101000000Z") == 0)
        #expect(utc("491231235959Z") == 2_524_607_999)
        #expect(utc("500101000000Z") == -631_152_000)
        #expect(general("20491231235959Z") == 2_524_607_999)
        #expect(general("20500101000000Z") == 2_524_608_000)
        for text in [
            "", "7001010000Z", "700101000000", "700101000000z", "700101000000+", "70010100000 Z",
            "701301000000Z", "700100000000Z", "700101240000Z", "700101006000Z", "700101000060Z",
            "700229000000Z", "7001010000000Z",
        ] {
            #expect(utc(text) == nil, "\(text)")
            #expect(general("19" + text) == nil, "\(text)")
        }
    }
}
