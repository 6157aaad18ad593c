<?php
// A question a line on stdin, its answer a line on stdout; see tests/test_verifiers.py.

declare(strict_types=1);

error_reporting(E_ALL);
set_error_handler(function (int $level, string $message): never {
    throw new ErrorException($message, 0, $level);
});

require __DIR__ . "/../../deploy/verifiers/poort.php";

function answer(array $q): mixed
{
    try {
        return match ($q["do"]) {
            "read" => Poort\read($q["token"], $q["keys"]),
            "verify" => Poort\verify($q["token"], $q["keys"], $q["site"], $q["now"]),
            "tokens" => Poort\tokens($q["cookie"]),
            "decide" => Poort\decide($q["shown"], $q["keys"], $q["version"], $q["tracker"], $q["now"], $q["gpc"]),
        };
    } catch (InvalidArgumentException $error) {
        return ["error" => $error::class, "message" => $error->getMessage()];
    }
}

while (($line = fgets(STDIN)) !== false) {
    echo json_encode(answer(json_decode($line, true, 512, JSON_THROW_ON_ERROR)), JSON_THROW_ON_ERROR), "\n";
}
