"""What quotes of Intel's SGX and TDX share: their layout, who signed them, and what Intel says of the machine."""
