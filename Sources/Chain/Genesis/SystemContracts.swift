import ChoraleBase
import Execution
import Operations

/// Contracts that the rules of a fork call, and the one whose logs are deposits.
///
/// The four of the rules have the addresses and the runtime codes that their EIPs publish, and nonce 1,
/// as they have where they were deployed by a transaction. A chain that starts with Prague must have
/// them: a block is invalid when one that it must call is missing.
///
/// Specification: EIP-4788, 2935, 7002 and 7251, sections "Deployment".
public enum SystemContracts {
    /// The four of Prague, in the order of their addresses in the EIPs above, and the deposit contract.
    public static var accounts: [GenesisAccount] {
        [
            (beaconRootsAddress, beaconRoots), (blockHashHistoryAddress, blockHashHistory),
            (withdrawalRequestsAddress, withdrawalRequests),
            (consolidationRequestsAddress, consolidationRequests),
            (DepositContract.address, DepositContract.code),
        ].map { address, code in
            GenesisAccount(address: address, StateStore.Entry(nonce: 1, code: code))
        }
    }

    /// The contract through which operations are requested, for a chain that has kinds of them.
    public static var operations: GenesisAccount {
        GenesisAccount(
            address: OperationsContract.executionAddress,
            StateStore.Entry(nonce: 1, code: OperationsContract.code))
    }

    /// Beacon roots of recent blocks (EIP-4788).
    static let beaconRootsAddress = address("000f3df6d732807ef1319fb7b8bb8522d0beac02")
    static let beaconRoots = code([
        "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f3580",
        "1560495762001fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b6200",
        "1fff42064281555f359062001fff015500",
    ])

    /// Hashes of the last 8,191 blocks (EIP-2935).
    static let blockHashHistoryAddress = address("0000f90827f1c53a10cb7a02335b175320002935")
    static let blockHashHistory = code([
        "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f356001430381",
        "11604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303",
        "065500",
    ])

    /// Withdrawal requests (EIP-7002).
    static let withdrawalRequestsAddress = address("00000961ef480eb55e80d19ad83579a64c007002")
    static let withdrawalRequests = code([
        "3373fffffffffffffffffffffffffffffffffffffffe1460cb5760115f54807fffffffffffffffff",
        "ffffffffffffffffffffffffffffffffffffffffffffffff146101f457600182026001905f5b5f82",
        "111560685781019083028483029004916001019190604d565b909390049250505036603814608857",
        "366101f457346101f4575f5260205ff35b34106101f4576001546001016001556003548060030260",
        "04013381556001015f35815560010160203590553360601b5f5260385f601437604c5fa060010160",
        "0355005b6003546002548082038060101160df575060105b5f5b8181146101835782810160030260",
        "040181604c02815460601b8152601401816001015481526020019060020154807fffffffffffffff",
        "ffffffffffffffffff00000000000000000000000000000000168252906010019060401c90816038",
        "1c81600701538160301c81600601538160281c81600501538160201c81600401538160181c816003",
        "01538160101c81600201538160081c81600101535360010160e1565b910180921461019557906002",
        "556101a0565b90505f6002555f6003555b5f54807fffffffffffffffffffffffffffffffffffffff",
        "ffffffffffffffffffffffffff14156101cd57505f5b6001546002828201116101e25750505f6101",
        "e8565b01600290035b5f555f600155604c025ff35b5f5ffd",
    ])

    /// Consolidation requests (EIP-7251).
    static let consolidationRequestsAddress = address("0000bbddc7ce488642fb579f8b00f3a590007251")
    static let consolidationRequests = code([
        "3373fffffffffffffffffffffffffffffffffffffffe1460d35760115f54807fffffffffffffffff",
        "ffffffffffffffffffffffffffffffffffffffffffffffff1461019a57600182026001905f5b5f82",
        "111560685781019083028483029004916001019190604d565b909390049250505036606014608857",
        "3661019a573461019a575f5260205ff35b341061019a576001546001016001556003548060040260",
        "04013381556001015f358155600101602035815560010160403590553360601b5f5260605f601437",
        "60745fa0600101600355005b6003546002548082038060021160e7575060025b5f5b818114610129",
        "5782810160040260040181607402815460601b815260140181600101548152602001816002015481",
        "526020019060030154905260010160e9565b910180921461013b5790600255610146565b90505f60",
        "02555f6003555b5f54807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ffffff141561017357505f5b6001546001828201116101885750505f61018e565b01600190035b5f",
        "555f6001556074025ff35b5f5ffd",
    ])

    static func address(_ digits: String) -> Address {
        guard let address = Address(genesisText: digits) else {
            preconditionFailure("40 digits, written here")
        }
        return address
    }

    static func code(_ lines: [String]) -> [UInt8] {
        guard let code = try? Hex.decode(lines.joined()) else {
            preconditionFailure("digits, written here")
        }
        return code
    }
}
