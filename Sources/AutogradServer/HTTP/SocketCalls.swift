import FlyingSocks

// The sockets take `Data`; the small half of Foundation has it.
#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

func writeAll(_ bytes: [UInt8], to socket: AsyncSocket) async throws { try await socket.write(Data(bytes)) }

/// Ends one or both directions of a connection: what waits for it returns, and the other side learns it.
func shut(_ socket: Socket, reading: Bool = false, writing: Bool = false) {
  let how = reading && writing ? SHUT_RDWR : reading ? SHUT_RD : SHUT_WR
  _ = shutdown(socket.file.rawValue, Int32(how))
}

/// Pieces of an answer leave at once, however short they are.
func sendAtOnce(_ socket: Socket) {
  try? socket.setValue(true, for: BoolSocketOption(level: Int32(IPPROTO_TCP), name: TCP_NODELAY))
}
