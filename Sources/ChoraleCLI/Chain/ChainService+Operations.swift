import Chain
import ChoraleBase
import ChoraleTypes
import ExecutorAgent
import Node
import Operations
import PartVerification
import PeerIdentity

/// Operations of a network that are executed once: what a node does for them.
extension ChainService {
    /// Every node of such a network keeps what is certified; validators verify their share, and executors execute.
    func addOperations(to configuration: inout NodeConfiguration, _ settings: RunSettings) {
        let parameters = start.configuration.parameters
        guard !parameters.operations.kinds.isEmpty else { return }
        configuration.parts = PartConfiguration(
            network: parameters.network, parameters: parameters.operations,
            localKey: start.configuration.localKey, localPeer: configuration.identity.peerID,
            blockInterval: parameters.blockInterval)
        configuration.parts?.fault = settings.partFault
        guard settings.roles.contains(.executor), configuration.identity.ed25519 != nil else {
            return
        }
        configuration.executor = ExecutorConfiguration(
            network: parameters.network, parameters: parameters.operations,
            key: configuration.identity)
        configuration.executor?.pricePercent = UInt8(settings.executorPrice)
        configuration.executor?.fault = settings.executorFault
        configuration.executor?.attester = settings.executorAttester
    }
}
