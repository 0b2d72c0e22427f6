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

/// Tells the other side that nothing more comes.
func shutdownWriting(_ socket: Socket) {
  #if canImport(Darwin)
    _ = shutdown(socket.file.rawValue, SHUT_WR)
  #else
    _ = shutdown(socket.file.rawValue, Int32(SHUT_WR))
  #endif
}

/// Pieces of an answer leave at once, however short they are.
func sendAtOnce(_ socket: Socket) {
  try? socket.setValue(true, for: BoolSocketOption(level: Int32(IPPROTO_TCP), name: TCP_NODELAY))
}
