public import ChoraleBase
import Crypto

/// What the state says of an account that is there.
public struct Account: Hashable, Sendable {
    public var nonce: UInt64
    /// In wei.
    public var balance: UInt256
    /// Root of the trie of its storage.
    public var storageRoot: Bytes32
    /// Keccak-256 of its code.
    public var codeHash: Bytes32

    public init(
        nonce: UInt64 = 0, balance: UInt256 = .zero, storageRoot: Bytes32 = Trie.emptyRoot,
        codeHash: Bytes32 = Account.emptyCodeHashBytes
    ) {
        self.nonce = nonce
        self.balance = balance
        self.storageRoot = storageRoot
        self.codeHash = codeHash
    }

    /// Hash of no code.
    public static let emptyCodeHashBytes = Keccak256.hash([])

    static let emptyCodeHash = UInt256(emptyCodeHashBytes)
}

/// Why the state did not answer.
public enum StateError: Error, Hashable, Sendable {
    /// A trie could not answer: a node is not at hand, or is none.
    case trie(TrieError)
    /// Whatever has the nodes and codes could not say whether it has one.
    case source(SourceFailure)
    /// The code with this hash is needed and not at hand.
    case codeMissing(Bytes32)
    /// The entry of the account trie at this address is no account.
    case accountMalformed(Address)
    /// The entry of the account's storage trie is no word.
    case slotMalformed(Address, slot: UInt256)
    /// The hash of this block is needed and cannot be derived from the headers at hand.
    case blockHashMissing(UInt64)

    /// What a trie could not answer, and why.
    init(_ error: TrieError) {
        if case .source(let failure) = error {
            self = .source(failure)
        } else {
            self = .trie(error)
        }
    }
}

/// The state before a block: what execution reads that no transaction of the block has written.
///
/// Every question is asked once a block at most; answers are kept by ``WorldState``. Whoever wants to
/// know what execution reads implements this, or wraps another.
///
/// An answer is a value, proven absence, or a thrown error. There is no default for "not known".
public protocol StateReader: AnyObject {
    /// The account, or nil when it is proven that there is none.
    func account(at address: Address) throws(StateError) -> Account?

    /// The word in a slot of an account whose storage is not empty; zero when that is proven.
    func storage(
        at slot: UInt256, of address: Address, _ account: Account
    ) throws(StateError) -> UInt256

    /// The code with this hash, which is not that of no code.
    ///
    /// - Parameter address: an account that has the code.
    func code(_ hash: Bytes32, of address: Address) throws(StateError) -> Code

    /// The hash of an ancestor, at most 256 blocks below the one that runs.
    func blockHash(_ number: UInt64) throws(StateError) -> Bytes32
}
