FROM python:3.13-slim
WORKDIR /srv
RUN pip install --no-cache-dir flask==3.1.2 pymysql==1.1.2 cryptography==46.0.3
COPY app ./app
ENTRYPOINT ["flask", "--app", "app/main.py", "run", "--host=0.0.0.0"]
CMD ["--port=8081"]
