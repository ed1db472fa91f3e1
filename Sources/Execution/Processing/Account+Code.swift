public import ChoraleBase

extension Account {
    /// What kind of code an account has, as far as sending transactions goes.
    public enum CodeKind: Hashable, Sendable {
        case none
        /// A designator: the account still sends transactions (EIP-7702).
        case delegation
        /// The account sends none (EIP-3607).
        case contract
    }

    /// Whether the account has no code.
    public var hasNoCode: Bool { codeHash == Self.emptyCodeHashBytes }
}

extension Code {
    /// Of an account with this code.
    public var kind: Account.CodeKind {
        if size == 0 { return .none }
        return delegate == nil ? .contract : .delegation
    }
}

extension StateReader {
    /// The kind of an account's code, for which the code itself is read where there is one.
    public func codeKind(
        of account: Account?, at address: Address
    ) throws(StateError) -> Account.CodeKind {
        guard let account, !account.hasNoCode else { return .none }
        return try code(account.codeHash, of: address).kind
    }
}

extension Code {
    /// By which accounts name it.
    public var keccak: Bytes32 { hash.bytes32 }
}
