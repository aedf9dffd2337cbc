"""Requests and answers on the wire, in all the forms that clients speak. Pure: bytes in, values out, and back."""
