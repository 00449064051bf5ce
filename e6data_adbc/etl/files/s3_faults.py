"""What an S3-like storage fails with, read by the code and the HTTP status of its answer."""

from __future__ import annotations

from typing import Final

from e6data_adbc.errors import Status
from e6data_adbc.etl.faults import Failure, Fault

__all__ = ["AWAY", "NOT_SIGNED_IN", "failure"]

#: It was not reached.
AWAY: Final = Failure(Status.IO, passes=True, fault=Fault.CONNECTION)
#: There are no credentials, or it does not know them.
NOT_SIGNED_IN: Final = Failure(
    Status.UNAUTHENTICATED,
    fault=Fault.CONNECTION,
    hint="give access_key_id and secret_access_key in the address, or what boto3 reads: the environment, a profile, a "
    "role",
)
_DENIED: Final = Failure(
    Status.UNAUTHORIZED,
    fault=Fault.OUTPUT,
    hint="a load needs s3:ListBucket and s3:ListBucketMultipartUploads on the bucket, s3:GetObject, s3:PutObject, "
    "s3:DeleteObject and s3:AbortMultipartUpload on the prefix",
)
_NO_BUCKET: Final = Failure(Status.NOT_FOUND, fault=Fault.OUTPUT, hint="make the bucket")
_ELSEWHERE: Final = Failure(
    Status.NOT_FOUND, fault=Fault.OUTPUT, hint="the bucket is in another region; name it by region"
)
_NO_ROOM: Final = Failure(Status.IO, fault=Fault.OUTPUT)
_BUSY: Final = Failure(Status.IO, passes=True, fault=Fault.OUTPUT)

_BY_CODE: Final = {
    **dict.fromkeys(
        (
            *("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"),
            *("TokenRefreshRequired", "InvalidClientTokenId", "UnrecognizedClientException"),
            *("MissingSecurityHeader", "CredentialsNotSupported", "NotSignedUp", "InvalidSecurity"),
        ),
        NOT_SIGNED_IN,
    ),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden"), _DENIED),
    "NoSuchBucket": _NO_BUCKET,
    **dict.fromkeys(
        (
            *("PermanentRedirect", "IllegalLocationConstraintException"),
            "AuthorizationHeaderMalformed",
        ),
        _ELSEWHERE,
    ),
    **dict.fromkeys(
        (
            *("QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "InvalidObjectState"),
            *("MethodNotAllowed", "EntityTooLarge"),
        ),
        _NO_ROOM,
    ),
    **dict.fromkeys(("SlowDown", "RequestTimeout", "Throttling", "RequestTimeTooSkewed"), _BUSY),
}
#: Where the code says nothing, as in answers without a body.
_BY_STATUS: Final = {
    301: _ELSEWHERE,
    401: NOT_SIGNED_IN,
    403: _DENIED,
    405: _NO_ROOM,
    507: _NO_ROOM,
}


def failure(code: str, status: int) -> Failure:
    """Returns what an answer is about.

    Args:
        code: Of its body, or what stands for it.
        status: Of HTTP.
    """
    known = _BY_CODE.get(code) or _BY_STATUS.get(status)
    return known or (_BUSY if status >= 500 else Failure(Status.IO, fault=Fault.OUTPUT))
