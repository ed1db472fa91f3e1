import ChoraleBase

extension StateError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .trie(let error): "\(error)"
        case .source(let failure): "\(failure)"
        case .codeMissing(let hash): "code 0x\(hash) is needed and not in the witness"
        case .accountMalformed(let address):
            "what the account trie has for \(address) is not an account of nonce, balance, storage "
                + "root and code hash (yellow paper 4.1)"
        case .slotMalformed(let address, let slot):
            "what the storage trie of \(address) has for slot 0x\(slot.bytes32) is not a word of 1 "
                + "to 32 bytes without leading zeros (yellow paper 4.1)"
        case .blockHashMissing(let number):
            "the hash of block \(number) is needed and its header not in the witness"
        }
    }
}
