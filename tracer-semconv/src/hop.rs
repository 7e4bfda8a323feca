//! Values of [`attribute::HOP`](crate::attribute::HOP) and
//! [`attribute::DROP_HOP`](crate::attribute::DROP_HOP).

use crate::{attribute, value::values};

values! {
    /// The name of a hop: the part of a packet's path between two places where hopspan saw the
    /// packet.
    ///
    /// It is also the name of the hop's span.
    pub enum HopName of attribute::HOP {
        /// From the sending socket to the first device, for requests and responses alike.
        ClientStack = "client.stack",
        /// From one end of a veth pair to the other, and into the stack behind it.
        Veth = "veth",
        /// Through a bridge, from port to port or between a port and the bridge's own stack.
        Bridge = "bridge",
        /// NF_INET_PRE_ROUTING: conntrack, mangle, DNAT.
        Prerouting = "netfilter.prerouting",
        /// NF_INET_LOCAL_IN.
        Input = "netfilter.input",
        /// NF_INET_FORWARD.
        Forward = "netfilter.forward",
        /// NF_INET_LOCAL_OUT.
        Output = "netfilter.output",
        /// NF_INET_POST_ROUTING: mangle, SNAT and masquerade.
        Postrouting = "netfilter.postrouting",
        /// Between two hooks of one network namespace: routing, neighbour lookup, queueing.
        Route = "route",
        /// Encapsulation, with everything that happens to the outer packet.
        Overlay = "overlay",
        /// Between two nodes. An agent sees both ends only in a connect, with the other node's part
        /// between them; of requests and responses the viewer finds it between the two halves.
        Wire = "wire",
        /// From the last device to the receiving socket.
        ServerStack = "server.stack",
        /// In the receive queue, until the application reads.
        SocketQueue = "socket.queue",
        /// From the first packet of a response to its last, as they were read, or left for another
        /// node: most of it is the time in which the server sends.
        Body = "body",
    }
}
