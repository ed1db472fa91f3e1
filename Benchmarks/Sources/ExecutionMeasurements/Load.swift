import ChoraleBase
import Execution

/// Transactions on a state, the same for every virtual machine that runs them.
struct Load {
    struct Account {
        var address: UInt64
        var code: [UInt8] = []
        /// Slots from 0 on.
        var storage: [UInt64: UInt64] = [:]
    }

    struct Call {
        var to: UInt64
        var value: UInt64 = 0
        var data: [UInt8] = []
        var gas: UInt64
    }

    var name: String
    /// The sender aside, who has all the ether in the world and nonce 0.
    var accounts: [Account]
    /// From the sender, one transaction each.
    var calls: [Call]

    static let sender: UInt64 = 0xAAAA
    static let contract: UInt64 = 0xC0DE

    /// One transaction that runs `code`.
    init(_ name: String, storage: [UInt64: UInt64] = [:], _ write: (inout Assembler) -> Void) {
        var assembler = Assembler()
        write(&assembler)
        self.name = name
        accounts = [Account(address: Self.contract, code: assembler.code, storage: storage)]
        calls = [Call(to: Self.contract, gas: 1 << 40)]
    }

    init(_ name: String, _ accounts: [Account], _ calls: [Call]) {
        self.name = name
        self.accounts = accounts
        self.calls = calls
    }

    var json: String {
        let accounts = accounts.map { account in
            let slots = account.storage.sorted { $0.key < $1.key }
                .map { "[\($0.key), \($0.value)]" }
            return "{\"address\": \(account.address), \"code\": \"\(Hex.encode(account.code))\", "
                + "\"storage\": [\(slots.joined(separator: ", "))]}"
        }
        let calls = calls.map {
            "[\($0.to), \($0.value), \"\(Hex.encode($0.data))\", \($0.gas)]"
        }
        return "{\"name\": \"\(name)\", \"sender\": \(Self.sender), "
            + "\"accounts\": [\(accounts.joined(separator: ", "))], "
            + "\"calls\": [\(calls.joined(separator: ", "))]}"
    }
}
