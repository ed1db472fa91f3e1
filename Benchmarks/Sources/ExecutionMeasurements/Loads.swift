import ChoraleBase
import Crypto
import Execution

extension Load {
    static let all: [Load] = arithmetic + storage + memory + calls + transactions

    private static func random(_ seed: UInt64) -> [UInt8] {
        var random = DeterministicRandom(seed: seed)
        return random.bytes(count: 32)
    }

    // MARK: Arithmetic. Two full words, so that no shortcut for small ones is measured.

    private static let arithmetic = [
        Load("evm, ADD MUL SUB") {
            $0.push(random(1))
            $0.push(random(2))
            $0.loop(50_000) {
                // Stack: b, a, rounds; and again.
                $0.emit(.swap2)
                for _ in 0..<16 { $0.emit(.dup2, .add, .dup2, .mul, .dup2, .sub) }
                $0.emit(.swap2)
            }
        },
        Load("evm, ADDMOD MULMOD") {
            $0.push(random(3))
            $0.push(random(4))
            $0.push(random(5))
            $0.loop(20_000) {
                $0.emit(.swap3)
                for _ in 0..<8 {
                    $0.emit(.dup3, .dup3, .dup3, .mulmod, .dup4, .dup3, .dup3, .addmod)
                    $0.emit(.swap2, .pop, .pop)
                }
                $0.emit(.swap3)
            }
        },
        Load("evm, DIV MOD SDIV") {
            $0.push(Array(random(6).prefix(20)))
            $0.push(random(7))
            $0.loop(20_000) {
                $0.emit(.swap2)
                for _ in 0..<8 {
                    $0.emit(.dup2, .dup2, .div, .pop, .dup2, .dup2, .mod, .pop)
                    $0.emit(.dup2, .dup2, .sdiv, .pop)
                }
                $0.emit(.swap2)
            }
        },
        Load("evm, EXP") {
            $0.push(random(8))
            $0.push(random(9))
            $0.loop(2000) {
                $0.emit(.swap2)
                for _ in 0..<4 { $0.emit(.dup2, .dup2, .exp, .pop) }
                $0.emit(.swap2)
            }
        },
    ]

    // MARK: Storage
    //
    // One slot is there, so that the account has storage and every other slot has to be looked for. More
    // would be warm from the start in pyrevm, which runs everything as one transaction.

    private static let storage = [
        Load("evm, SLOAD warm", storage: [1: 1]) {
            $0.loop(20_000) {
                for slot: UInt64 in [1, 2, 3, 4, 1, 2, 3, 4] {
                    $0.push(slot)
                    $0.emit(.sload, .pop)
                }
            }
        },
        Load("evm, SSTORE warm", storage: [1: 1]) {
            $0.loop(20_000) {
                for slot: UInt64 in [1, 2, 3, 4] {
                    $0.emit(.dup1)
                    $0.push(slot)
                    $0.emit(.sstore)
                }
            }
        },
        Load("evm, SLOAD cold", storage: [1: 1]) {
            $0.loop(8000) { $0.emit(.dup1, .sload, .pop) }
        },
        Load("evm, SSTORE cold", storage: [1: 1]) {
            $0.loop(8000) { $0.emit(.dup1, .dup1, .sstore) }
        },
    ]

    // MARK: Memory

    private static let memory = [
        Load("evm, KECCAK256 of 32 bytes") {
            $0.loop(20_000) {
                for _ in 0..<4 {
                    $0.push(32)
                    $0.push(0)
                    $0.emit(.keccak256)
                    $0.push(0)
                    $0.emit(.mstore)
                }
            }
        },
        Load("evm, KECCAK256 of 1 KiB") {
            $0.loop(5000) {
                for _ in 0..<4 {
                    $0.push(1024)
                    $0.push(0)
                    $0.emit(.keccak256)
                    $0.push(0)
                    $0.emit(.mstore)
                }
            }
        },
        Load("evm, MLOAD MSTORE") {
            $0.loop(50_000) {
                for offset: UInt64 in stride(from: 0, to: 256, by: 32) {
                    $0.push(offset)
                    $0.emit(.mload)
                    $0.push(offset + 32)
                    $0.emit(.mstore)
                }
            }
        },
        Load("evm, MCOPY of 256 bytes") {
            $0.loop(50_000) {
                for offset: UInt64 in [0, 100, 200, 300] {
                    $0.push(256)
                    $0.push(offset)
                    $0.push(512)
                    $0.emit(.mcopy)
                }
            }
        },
        Load(
            "evm, CALLDATACOPY of 256 bytes",
            [
                Account(
                    address: contract,
                    code: {
                        var code = Assembler()
                        code.loop(50_000) {
                            for offset: UInt64 in [0, 100, 200, 300] {
                                $0.push(256)
                                $0.push(offset)
                                $0.push(0)
                                $0.emit(.calldatacopy)
                            }
                        }
                        return code.code
                    }())
            ],
            [Call(to: contract, data: (0..<32).flatMap { random($0) }, gas: 1 << 40)]),
    ]

    // MARK: Calls

    private static let callee: UInt64 = 0xCA11

    /// `balance[caller] -= value; balance[to] += value; emit Transfer(caller, to, value)`, to and value
    /// being the two words of the input; the balances' mapping is at slot 0.
    private static let token: [UInt8] = {
        var code = Assembler()
        code.push(32)
        code.emit(.calldataload)
        code.emit(.caller)
        code.push(0)
        code.emit(.mstore)
        code.push(64)
        code.push(0)
        code.emit(.keccak256)
        // Stack: value, slot of the caller.
        code.emit(.dup1, .sload, .dup3, .swap1, .sub, .swap1, .sstore)
        code.push(0)
        code.emit(.calldataload)
        code.push(0)
        code.emit(.mstore)
        code.push(64)
        code.push(0)
        code.emit(.keccak256)
        code.emit(.dup1, .sload, .dup3, .add, .swap1, .sstore)
        code.push(0)
        code.emit(.mstore)
        code.push(0)
        code.emit(.calldataload, .caller)
        code.push(transferTopic)
        code.push(32)
        code.push(0)
        code.emit(.log3)
        code.push(1)
        code.push(0)
        code.emit(.mstore)
        code.push(32)
        code.push(0)
        code.emit(.return)
        return code.code
    }()

    private static let transferTopic =
        Keccak256.hash(Array("Transfer(address,address,uint256)".utf8)).bytes

    private static func word(_ value: UInt64) -> [UInt8] { UInt256(value).bytes32.bytes }

    private static let calls = [
        Load(
            "evm, CALL and return",
            [
                Account(address: callee, code: [Assembler.Op.stop.rawValue]),
                Account(
                    address: contract,
                    code: {
                        var code = Assembler()
                        code.loop(20_000) {
                            for _ in 0..<4 {
                                for _ in 0..<5 { $0.push(0) }
                                $0.push(callee)
                                $0.emit(.gas, .call, .pop)
                            }
                        }
                        return code.code
                    }()),
            ], [Call(to: contract, gas: 1 << 40)]),
        Load(
            "evm, token transfers in a loop",
            [
                Account(address: callee, code: token),
                Account(
                    address: contract,
                    code: {
                        var code = Assembler()
                        code.push(1)
                        code.push(32)
                        code.emit(.mstore)
                        code.loop(4000) {
                            $0.emit(.dup1)
                            $0.push(0)
                            $0.emit(.mstore)
                            $0.push(32)
                            $0.push(64)
                            $0.push(64)
                            $0.push(0)
                            $0.push(0)
                            $0.push(callee)
                            $0.emit(.gas, .call, .pop)
                        }
                        return code.code
                    }()),
            ], [Call(to: contract, gas: 1 << 40)]),
    ]

    // MARK: Transactions

    private static let transactions = [
        Load(
            "evm, token transfers as transactions", [Account(address: callee, code: token)],
            (0..<2000).map {
                Call(to: callee, data: word(0x10_0000 + $0) + word(1), gas: 100_000)
            }),
        Load(
            "evm, value transfers as transactions", [],
            (0..<4000).map { Call(to: 0x10_0000 + $0, value: 1, gas: 21_000) }),
    ]
}
