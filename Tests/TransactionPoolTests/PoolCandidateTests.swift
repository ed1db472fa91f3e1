import ChoraleBase
import Crypto
import Execution
import Testing

@testable import TransactionPool

/// What a worker checks, with real signatures on a real state.
@Suite struct PoolCandidateTests {
    static let key = try! Secp256k1.PrivateKey(
        SecretBytes(copying: [UInt8](repeating: 7, count: 32)))
    static let sender = Address(key.publicKey)

    static func signed(
        _ change: (inout Transaction) -> Void = { _ in }
    ) -> Transaction {
        var transaction = PoolScene.transaction(nonce: 1)
        change(&transaction)
        let (signature, recoveryID) = key.signRecoverable(digest: transaction.signingHash)
        transaction.r = UInt256(bigEndian: signature.span.extracting(0..<32))!
        transaction.s = UInt256(bigEndian: signature.span.extracting(32..<64))!
        transaction.yParity = recoveryID
        return transaction
    }

    static func state(
        nonce: UInt64 = 1, balance: UInt256 = UInt256(0, 0, 1, 0), code: [UInt8] = []
    ) throws -> TrieState<StateStore> {
        let store = try StateStore([
            sender: .init(nonce: nonce, balance: balance, code: code)
        ])
        return TrieState(root: store.root, source: store, blockHashes: [:])
    }

    static func candidate(
        _ encoding: [UInt8], _ state: TrieState<StateStore>, fork: Fork = .prague,
        limits: PoolLimits = PoolLimits()
    ) throws(PoolRejection) -> PoolCandidate {
        try PoolCandidate(
            encoding.span, chainID: PoolScene.chainID,
            head: PoolHead(
                number: 10, baseFee: UInt256(100), gasLimit: 30_000_000, fork: fork),
            limits: limits, state: state)
    }

    static func rejection(
        _ encoding: [UInt8], fork: Fork = .prague, limits: PoolLimits = PoolLimits(),
        state: TrieState<StateStore>? = nil
    ) throws -> PoolRejection? {
        let state = try state ?? Self.state()
        do throws(PoolRejection) {
            _ = try candidate(encoding, state, fork: fork, limits: limits)
            return nil
        } catch {
            return error
        }
    }

    @Test func whatIsRight() throws {
        let transaction = Self.signed()
        let found = try Self.candidate(transaction.encoded, Self.state())
        #expect(found.sender == Self.sender)
        #expect(found.hash == transaction.hash)
        #expect(found.size == transaction.encoded.count)
        #expect(found.account == SenderAccount(nonce: 1, balance: UInt256(0, 0, 1, 0)))
        #expect(found.readAt == 10)
        let scene = PoolScene()
        #expect(scene.add(found) == nil)
    }

    @Test func sendersThatAreNotThere() throws {
        let store = try StateStore([:])
        let state = TrieState(root: store.root, source: store, blockHashes: [:])
        #expect(
            try Self.rejection(Self.signed().encoded, state: state)
                == .funds(needed: UInt256(21_000_000), balance: .zero))
    }

    struct Refusal: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let change: @Sendable (inout Transaction) -> Void
        let reason: PoolRejection.Reason
        let verdict: PoolRejection.Verdict
        /// How geth's sentence begins, which wallets know.
        let words: String

        init(
            _ name: String, _ reason: PoolRejection.Reason, _ verdict: PoolRejection.Verdict,
            _ words: String, _ change: @escaping @Sendable (inout Transaction) -> Void
        ) {
            testDescription = name
            self.change = change
            self.reason = reason
            self.verdict = verdict
            self.words = words
        }
    }

    static let refusals = [
        Refusal("another chain", .fault, .reject, "invalid chain id for signer") {
            $0.chainID = .one
        },
        Refusal("no chain", .unprotected, .ignore, "only replay-protected") {
            $0.kind = .legacy
            $0.chainID = nil
            $0.maxPriorityFeePerGas = $0.maxFeePerGas
        },
        Refusal("a blob", .blobs, .ignore, "transaction type not supported") {
            $0.kind = .blob
            $0.blobHashes = [Bytes32(UInt256(UInt64(1) << 56, 0, 0, 0).bytes32.bytes)!]
            $0.maxFeePerBlobGas = .one
        },
        Refusal("a tip above the max fee", .fault, .reject, "max priority fee per gas higher") {
            $0.maxPriorityFeePerGas = UInt256(1001)
        },
        Refusal("no tip", .tipTooLow, .ignore, "transaction underpriced") {
            $0.maxPriorityFeePerGas = .zero
        },
        Refusal("too little gas", .fault, .ignore, "intrinsic gas too low") {
            $0.gasLimit = 20_999
        },
        Refusal("more gas than a block", .gasAboveBlock, .ignore, "exceeds block gas limit") {
            $0.gasLimit = 30_000_001
        },
        Refusal("too long initcode", .fault, .ignore, "max initcode size exceeded") {
            $0.to = nil
            $0.data = [UInt8](repeating: 0, count: 49_153)
            $0.gasLimit = 20_000_000
        },
        Refusal("the last nonce", .fault, .reject, "nonce has max value") { $0.nonce = .max },
        Refusal("a used nonce", .nonceTooLow, .ignore, "nonce too low") { $0.nonce = 0 },
        Refusal("a far nonce", .nonceTooFar, .ignore, "nonce too high") { $0.nonce = 66 },
        Refusal("more than there is", .funds, .ignore, "insufficient funds for gas") {
            $0.value = UInt256(0, 0, 1, 0)
        },
        Refusal("no authorizations", .fault, .reject, "") { $0.kind = .setCode },
        Refusal("too many authorizations", .tooManyAuthorizations, .ignore, "257 authorizations") {
            $0.kind = .setCode
            $0.gasLimit = 20_000_000
            $0.authorizations = Array(
                repeating: .init(
                    chainID: .zero, address: .zero, nonce: 0, yParity: 0, r: .one, s: .one),
                count: 257)
        },
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) throws {
        let found = try #require(try Self.rejection(Self.signed(row.change).encoded))
        #expect(found.reason == row.reason, "\(found)")
        #expect(found.verdict == row.verdict)
        #expect("\(found)".hasPrefix(row.words), "\(found)")
    }

    @Test func unprotectedWhereItIsAllowed() throws {
        var limits = PoolLimits()
        limits.allowsUnprotected = true
        let transaction = Self.signed {
            $0.kind = .legacy
            $0.chainID = nil
            $0.maxPriorityFeePerGas = $0.maxFeePerGas
        }
        #expect(try Self.rejection(transaction.encoded, limits: limits) == nil)
    }

    @Test func bytesThatAreNone() throws {
        #expect(try Self.rejection([]) == .malformed(.empty))
        #expect(try Self.rejection([0x05]) == .malformed(.unknownType(5)))
        let long = [UInt8](repeating: 0xFF, count: 131_073)
        #expect(try Self.rejection(long) == .tooLarge(131_073, limit: 131_072))
        let encoding = Self.signed().encoded
        for count in 0..<encoding.count {
            let found = try Self.rejection(Array(encoding[..<count]))
            #expect(found?.reason == .malformed, "\(count)")
            #expect(found?.verdict == .reject)
        }
    }

    @Test func signaturesThatAreNone() throws {
        var transaction = Self.signed()
        transaction.s = .max
        #expect(try Self.rejection(transaction.encoded) == .signature(.signatureRange))
        #expect(PoolRejection.signature(.signatureRange).verdict == .reject)
        transaction.s = .zero
        #expect(try Self.rejection(transaction.encoded) == .signature(.signatureRange))
    }

    @Test func codeOfTheSender() throws {
        let delegated: [UInt8] = [0xEF, 0x01, 0x00] + [UInt8](repeating: 1, count: 20)
        let found = try Self.candidate(Self.signed().encoded, Self.state(code: delegated))
        #expect(found.account.code == .delegation)
        #expect(
            try Self.rejection(Self.signed().encoded, state: Self.state(code: [0x00]))
                == .senderHasCode(Self.sender))
    }

    /// Only whose authorization could count here, each once.
    @Test func authorities() throws {
        let other = try Secp256k1.PrivateKey(
            SecretBytes(copying: [UInt8](repeating: 9, count: 32)))
        func authorization(chain: UInt64) -> Transaction.Authorization {
            var authorization = Transaction.Authorization(
                chainID: UInt256(chain), address: Self.sender, nonce: 0, yParity: 0, r: .zero,
                s: .zero)
            let (signature, recoveryID) = other.signRecoverable(
                digest: authorization.signingHash)
            authorization.r = UInt256(bigEndian: signature.span.extracting(0..<32))!
            authorization.s = UInt256(bigEndian: signature.span.extracting(32..<64))!
            authorization.yParity = recoveryID
            return authorization
        }
        func authorities(_ list: [Transaction.Authorization]) throws -> [Address] {
            let transaction = Self.signed {
                $0.kind = .setCode
                $0.gasLimit = 500_000
                $0.authorizations = list
            }
            return try Self.candidate(transaction.encoded, Self.state()).authorities
        }
        let holder = Address(other.publicKey)
        #expect(
            try authorities([authorization(chain: 0), authorization(chain: 1337)]) == [holder])
        #expect(try authorities([authorization(chain: 1)]) == [])
        var broken = authorization(chain: 0)
        broken.r = .zero
        #expect(try authorities([broken]) == [])
    }
}
