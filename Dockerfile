# Training, testing, export and the runtime in one image.
#
#   docker build -t medseg .                                   CPU
#   docker build -t medseg:cuda --build-arg BASE=nvidia/cuda:13.0.1-devel-ubuntu24.04 \
#       --build-arg FORCE_CUDA=1 --build-arg TORCH_INDEX= .    CUDA: nvcc of PyTorch's CUDA version
#
#   docker run --rm -it -v "$PWD/data:/medseg/data" -v "$PWD/work_dirs:/medseg/work_dirs" medseg
ARG BASE=debian:12-slim
FROM ${BASE}
ARG FORCE_CUDA=0
# The small CPU build of PyTorch; empty for PyPI's, which brings CUDA along.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv python3-dev g++ make git \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /medseg
COPY . .
RUN make install FORCE_CUDA=${FORCE_CUDA} ${TORCH_INDEX:+TORCH_INDEX=${TORCH_INDEX}}
ENV PATH=/medseg/.venv/bin:$PATH
CMD ["bash"]
