"""The messages of KServe's ``GRPCInferenceService`` (package ``inference``), as a table instead of generated code."""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["METHODS", "SERVICE", "message"]

SERVICE = "inference.GRPCInferenceService"
METHODS = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer")

#: Message -> its fields: number, name and type, ``*`` for repeated, ``%`` for a map from text. The numbers are the
#: protocol's and never change: https://github.com/kserve/open-inference-protocol, open_inference_grpc.proto.
_TENSOR = "1 name string, 2 datatype string, 3 shape *int64"
_MESSAGES = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "1 live bool",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "1 ready bool",
    "ModelReadyRequest": "1 name string, 2 version string",
    "ModelReadyResponse": "1 ready bool",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "1 name string, 2 version string, 3 extensions *string",
    "ModelMetadataRequest": "1 name string, 2 version string",
    "ModelMetadataResponse": "1 name string, 2 versions *string, 3 platform string, 4 inputs *TensorMetadata, "
    "5 outputs *TensorMetadata",
    "ModelMetadataResponse.TensorMetadata": _TENSOR,
    "InferParameter": "1 bool_param bool, 2 int64_param int64, 3 string_param string",
    "InferTensorContents": "1 bool_contents *bool, 2 int_contents *int32, 3 int64_contents *int64, "
    "4 uint_contents *uint32, 5 uint64_contents *uint64, 6 fp32_contents *float, 7 fp64_contents *double, "
    "8 bytes_contents *bytes",
    "ModelInferRequest": "1 model_name string, 2 model_version string, 3 id string, 4 parameters %InferParameter, "
    "5 inputs *InferInputTensor, 6 outputs *InferRequestedOutputTensor, 7 raw_input_contents *bytes",
    "ModelInferRequest.InferInputTensor": f"{_TENSOR}, 4 parameters %InferParameter, 5 contents InferTensorContents",
    "ModelInferRequest.InferRequestedOutputTensor": "1 name string, 2 parameters %InferParameter",
    "ModelInferResponse": "1 model_name string, 2 model_version string, 3 id string, 4 parameters %InferParameter, "
    "5 outputs *InferOutputTensor, 6 raw_output_contents *bytes",
    "ModelInferResponse.InferOutputTensor": f"{_TENSOR}, 4 parameters %InferParameter, 5 contents InferTensorContents",
}
_ONEOF = {"InferParameter": "parameter_choice"}
_FIELD = descriptor_pb2.FieldDescriptorProto


@cache
def message(name: str) -> Any:
    """Return the class of a message of the package.

    >>> message("ServerLiveResponse")(live=True).live
    True
    """
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"inference.{name}"))


@cache
def _pool() -> Any:
    """Return a pool of its own: in the default one other libraries may have registered the same package."""
    file = descriptor_pb2.FileDescriptorProto(name="open_inference.proto", package="inference", syntax="proto3")
    types: dict[str, Any] = {}
    for name, fields in _MESSAGES.items():
        owner, _, short = name.rpartition(".")
        types[name] = types[owner].nested_type.add(name=short) if owner else file.message_type.add(name=short)
        if name in _ONEOF:
            types[name].oneof_decl.add(name=_ONEOF[name])
        for text in filter(None, fields.split(", ")):
            _add(types[name], name, text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add(target: Any, name: str, text: str) -> None:
    number, field, kind = text.split(" ")
    if kind.startswith("%"):
        entry = target.nested_type.add(name=f"{field.title()}Entry")
        entry.options.map_entry = True
        _add(entry, "", "1 key string")
        _add(entry, "", f"2 value {kind[1:]}")
        target.field.add(name=field, number=int(number), label=_FIELD.LABEL_REPEATED, type=_FIELD.TYPE_MESSAGE,
                         type_name=f".inference.{name}.{entry.name}")  # fmt: skip
        return
    label = _FIELD.LABEL_REPEATED if kind.startswith("*") else _FIELD.LABEL_OPTIONAL
    kind = kind.lstrip("*")
    added = target.field.add(name=field, number=int(number), label=label)
    if kind[0].isupper():
        nested = f"{name}.{kind}"
        added.type = _FIELD.TYPE_MESSAGE
        added.type_name = f".inference.{nested if nested in _MESSAGES else kind}"
    else:
        added.type = getattr(_FIELD, f"TYPE_{kind.upper()}")
    if name in _ONEOF:
        added.oneof_index = 0
