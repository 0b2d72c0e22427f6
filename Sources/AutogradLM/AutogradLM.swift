// Language models with tokenizers, generation and training, in one import.
@_exported import AutogradModels
@_exported import AutogradText
@_exported import AutogradTraining
