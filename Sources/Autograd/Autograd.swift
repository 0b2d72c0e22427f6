// The engine with layers and optimisers, in one import.
@_exported import AutogradEngine
@_exported import AutogradNeuralNetwork
@_exported import enum AutogradBase.RandomPurpose
@_exported import struct AutogradBase.RandomStream
