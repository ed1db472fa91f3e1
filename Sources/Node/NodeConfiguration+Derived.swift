import Bodies
import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Gossipsub
import Kademlia
import OrderedCollections
import PartVerification
import PeerIdentity
import Swarm

/// What the machines are configured with, derived from what an operator says.
extension NodeConfiguration {
    /// The network's own topics with their parameters (mechanisms: gossip topics), then the
    /// operator's.
    func gossipConfiguration(announcements: Gossipsub.Topic) -> Gossipsub.Configuration {
        var gossip = gossip
        gossip.directPeers = directPeers.map(\.peerID)
        if speaksChorale {
            var parameters = parameters(of: announcements)
            parameters.validation = .application
            gossip.topics.append(parameters)
        }
        for topic in chainTopics.keys {
            var parameters = parameters(of: topic)
            parameters.validation = .application
            gossip.topics.append(parameters)
        }
        for topic in partTopics.keys {
            var parameters = parameters(of: topic)
            parameters.validation = .application
            gossip.topics.append(parameters)
        }
        for name in gossipTopics {
            let topic = Gossipsub.Topic(name)
            if !gossip.topics.contains(where: { $0.topic == topic }) {
                gossip.topics.append(self.parameters(of: topic))
            }
        }
        return gossip
    }

    /// The chain's topics. Who keeps no state cannot tell a good transaction from a bad one, and passes none
    /// on.
    var chainTopics: OrderedDictionary<Gossipsub.Topic, ChainTopic> {
        guard speaksChorale, let chain else { return [:] }
        var topics: OrderedDictionary<Gossipsub.Topic, ChainTopic> = [:]
        for topic in ChainTopic.allCases {
            if topic == .transaction, !chain.configuration.keepsState { continue }
            topics[Gossipsub.Topic(self.topic(topic.rawValue))] = topic
        }
        return topics
    }

    /// Topics of verification in parts. Who does not vote needs no votes: certificates say what came of them.
    var partTopics: OrderedDictionary<Gossipsub.Topic, PartTopic> {
        guard speaksChorale, chain != nil, let parts else { return [:] }
        var topics: OrderedDictionary<Gossipsub.Topic, PartTopic> = [:]
        for topic in PartTopic.all {
            if case .votes = topic, parts.localKey == nil { continue }
            topics[Gossipsub.Topic(self.topic(topic.name))] = topic
        }
        return topics
    }

    /// Parameters of a topic: by its name when it is one of the network's, else the defaults.
    ///
    /// Under StrictNoSign a message has no author and number, so its identifier is its hash.
    func parameters(of topic: Gossipsub.Topic) -> Gossipsub.TopicParameters {
        var parameters = Gossipsub.TopicParameters(topic)
        // Unpacking is done for every copy, on the loop: nothing may grow on the way.
        parameters.uncompressedSizeMax = parameters.sizeMax
        if let kind = TopicKind.named(topic.description, of: self) {
            parameters.trafficClass = kind.trafficClass
            parameters.sizeMax = kind.sizeMax
            parameters.uncompressedSizeMax = kind.uncompressedSizeMax
            parameters.lifetime = kind.lifetime
        }
        switch gossip.signaturePolicy {
        case .strictSign: parameters.messageID = .fromAndSequence
        case .strictNoSign: parameters.messageID = .snappyDomain(includesTopic: true)
        }
        return parameters
    }

    /// Which announcements of bodies are believed.
    var announcementPolicy: AnnouncementPolicy {
        AnnouncementPolicy(networkDigest: networkDigest)
    }

    /// Which of the announcements are believed that a peer tells us of because we missed them: as
    /// old as bodies get, since they may have been issued while we were away.
    var missedAnnouncementPolicy: AnnouncementPolicy {
        var policy = announcementPolicy
        policy.ageMax = limits.bodies.ageMax
        return policy
    }

    var proverRules: ProverIdentityRules {
        ProverIdentityRules(
            network: networkDigestVector, lifeMax: limits.proverRecordLife,
            allowsPrivateAddresses: addressPolicy == .local)
    }

    var networkDigestVector: ProverIdentityContent.NetworkDigest {
        // The initializer refuses any other length, so the four bytes are there.
        SSZByteVector<4>(networkDigest) ?? SSZByteVector<4>()
    }

    var kademliaConfiguration: Kademlia.Configuration {
        var configuration = kademlia
        if speaksChorale { configuration.namespaces.append(.proverIdentities(proverRules)) }
        return configuration
    }
}
